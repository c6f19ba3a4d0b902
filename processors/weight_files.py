"""Writes combination weights to files, which [`load_weights`] reads: `save_weights`."""

import json
import os
from collections.abc import Sequence

import torch
from safetensors.torch import save

from ..layout.files import write_json, write_whole
from .weights import SavedWeights, is_json


def save_weights(
    path: str | os.PathLike,
    weights: torch.Tensor,
    blend: str,
    phrases: Sequence[str],
    latents: torch.Tensor | None = None,
) -> None:
    """
    Writes the weights of one picture, as safetensors or, if the name ends in .json, as JSON; whole or not at all.

    Args:
        weights (`torch.Tensor` of shape (objects, steps)): May be padded with further rows, which are left out.
        blend (`str`): The blend they belong to.
        phrases (`Sequence[str]`): The object of each row.
        latents (`torch.Tensor` of shape (channels, rows, columns), *optional*): The picture's noise.

    Raises:
        OSError: The file cannot be written; it is named, and what it held before stays.
        ValueError, TypeError: Weights of another number of objects, or what [`SavedWeights`] refuses.
    """
    if weights.ndim != 2 or len(weights) < len(phrases) or weights[len(phrases) :].any():
        raise ValueError(
            f"`weights` has shape {tuple(weights.shape)}, but a picture of {len(phrases)} objects has"
            f" ({len(phrases)}, steps). Pass those of one picture, such as `out.weights[0]`."
        )
    saved = SavedWeights(weights[: len(phrases)], blend, list(phrases), latents)
    tensors = {"weights": saved.weights} | ({} if latents is None else {"latents": saved.latents})
    if is_json(path):
        data = {"blend": blend, "phrases": saved.phrases} | {name: part.tolist() for name, part in tensors.items()}
        write_json(path, data)
    else:
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_whole(path, save(tensors, metadata={"blend": blend, "phrases": json.dumps(saved.phrases)}))
