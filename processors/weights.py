"""The combination weights: a matrix (objects x steps) for each picture; defaults, checks, reading of files."""

import contextlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch.nn.utils.rnn import pad_sequence

from ..layout.files import check_size, read_json
from .checks import check_choice
from .control import BLENDS


GUIDED_STRENGTH = 5.0  # shared by the objects of a picture: 5/N each (arXiv:2304.03869, official code)
CONVEX_WEIGHT = 0.5  # of every object; a plain choice, measured on no checkpoint
WEIGHT_SCHEDULES = ("constant", "linear")
_weights_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedWeights:
    """
    What a file of weights holds.

    Args:
        weights (`torch.Tensor` of shape (objects, steps)): Finite; of convex control in 0..1.
        blend (`str`): The blend they belong to.
        phrases (`list[str]`): The object of each row.
        latents (`torch.Tensor` of shape (channels, rows, columns), *optional*): The picture's noise, where that was
            chosen.

    Raises:
        ValueError, TypeError: Names the field that is something else.
    """

    weights: torch.Tensor
    blend: str
    phrases: list[str]
    latents: torch.Tensor | None = None

    def __post_init__(self):
        check_choice("blend", self.blend, BLENDS)
        if not isinstance(self.phrases, list) or not all(isinstance(phrase, str) for phrase in self.phrases):
            raise TypeError(f"`phrases` has to be a list of strings, got {self.phrases!r}.")
        weights, rows = _as_tensor(self.weights, "weights", "rows of real numbers, as many in each"), len(self.phrases)
        if not rows and not weights.numel():
            weights = weights.reshape(0, 1)  # JSON does not tell the columns of no rows
        if weights.ndim != 2 or len(weights) != rows or not weights.shape[1]:
            raise ValueError(f"`weights` has shape {tuple(weights.shape)}, but there are {rows} objects.")
        _check_values(weights, self.blend)
        object.__setattr__(self, "weights", weights)
        if self.latents is not None:
            latents = _as_tensor(self.latents, "latents", "real numbers of shape (channels, rows, columns)")
            if latents.ndim != 3 or not latents.numel():
                raise ValueError(f"`latents` has shape {tuple(latents.shape)}, not (channels, rows, columns).")
            if not latents.isfinite().all():
                raise ValueError("`latents` holds NaN or infinite values.")
            object.__setattr__(self, "latents", latents)


def default_weights(
    num_objects: int,
    num_steps: int,
    blend: str,
    strength: float | None = None,
    end: float = 1.0,
    schedule: str = "constant",
    first: int = 0,
) -> torch.Tensor:
    """
    Weights that stay the same, or fall, until some step and are zero from there on.

    Args:
        num_objects (`int`): N, the objects of the picture.
        num_steps (`int`): The columns.
        blend (`str`): `"guided"` gives `strength / N`, `"convex"` gives `strength`.
        strength (`float`, *optional*): Defaults to 5 for guided (the official setting) and 0.5 for convex.
        end (`float`): The part of the steps that have them, 0..1; the first step always does.
        schedule (`str`): `"constant"`, or `"linear"`: they fall in a straight line, from the strength at the run's
            beginning to zero at that end.
        first (`int`): The step that the run begins with.

    Returns:
        `torch.Tensor` of shape (num_objects, num_steps).
    """
    if strength is None:
        strength = GUIDED_STRENGTH if blend == "guided" else CONVEX_WEIGHT
    weight = strength / max(num_objects, 1) if blend == "guided" else strength
    steps, lasting = torch.arange(num_steps) - first, max(end * (num_steps - first), 1)
    falling = (1 - (steps + 0.5) / lasting).clamp(0, 1)
    shape = falling if schedule == "linear" else (steps < round(lasting)).float()
    return weight * shape.expand(num_objects, num_steps)


def batch_weights(
    weights,
    phrases: Sequence[Sequence[str]],
    num_steps: int | None,
    blend: str,
    pictures: int = 1,
    **defaults,
) -> list[torch.Tensor]:
    """
    The weights of a batch from what a user may pass.

    Args:
        weights: `None` for the defaults; a number for all objects and steps; for one prompt a matrix (objects,
            num_steps) or [`SavedWeights`], which are resampled; for several prompts a list of any of these, or one
            tensor (prompts, most objects, num_steps) padded with zeros. Guided weights are any finite numbers, convex
            ones lie in 0..1.
        phrases (`Sequence[Sequence[str]]`): The objects of each picture.
        num_steps (`int`, *optional*): The columns; without it a matrix may have any number, and numbers have one.
        blend (`str`), defaults: See [`default_weights`].
        pictures (`int`): How many of them each prompt has, one after the other.

    Returns:
        `list[torch.Tensor]`: For each picture a float32 matrix (objects, steps).

    Raises:
        ValueError, TypeError: Another shape, numbers that are not finite, convex weights outside 0..1, saved weights
            of other objects or another blend.
    """
    prompts = len(phrases) // pictures
    if _is_batch(weights):
        if len(weights) != prompts:
            raise ValueError(
                f"`weights` holds {len(weights)} entries, but the number of prompts is {prompts}. A list has an"
                " entry for each prompt; a matrix has a row for each object and a column for each step."
            )
        parts = list(weights)
    elif prompts == 1 or weights is None or np.ndim(weights) == 0:
        parts = [weights] * prompts
    else:
        raise ValueError(f"`weights` is one matrix, but there are {prompts} prompts. Pass a list with one for each.")
    parts = [part for part in parts for _ in range(pictures)]
    return [_prompt_weights(part, names, num_steps, blend, defaults) for part, names in zip(parts, phrases)]


def _is_batch(weights) -> bool:
    """Whether `weights` has an entry for each prompt; a list of flat rows is a matrix."""
    if isinstance(weights, (list, tuple)):
        return not (weights and isinstance(weights[0], (list, tuple)) and all(np.ndim(x) == 0 for x in weights[0]))
    return getattr(weights, "ndim", 0) == 3


def _prompt_weights(
    weights, phrases: Sequence[str], num_steps: int | None, blend: str, defaults: dict
) -> torch.Tensor:
    if weights is None:
        matrix = default_weights(len(phrases), num_steps or 1, blend, **defaults)
    elif _is_saved(weights):
        matrix = _saved_matrix(weights, phrases, blend)
        matrix = resample(matrix, num_steps) if num_steps else matrix
    else:
        matrix = _as_tensor(weights, "weights", "a real number, a tensor or a file of such")
    _check_values(matrix, blend)
    if matrix.ndim == 0:
        matrix = matrix.expand(len(phrases), num_steps or 1)
    elif matrix.ndim == 2 and len(matrix) > len(phrases) and not matrix[len(phrases) :].any():
        matrix = matrix[: len(phrases)]  # the padding of a batch
    shape = len(phrases), num_steps or matrix.shape[-1]
    if matrix.shape != shape:
        raise ValueError(
            f"`weights` has shape {tuple(matrix.shape)}, but the prompt needs (objects, steps) = {shape}."
        )
    return matrix


def _as_tensor(values, name: str, wanted: str) -> torch.Tensor:
    """On the CPU in float32."""
    try:
        tensor = torch.as_tensor(values if torch.is_tensor(values) else np.asarray(values)).detach().cpu()
    except (TypeError, ValueError):
        tensor = None
    if tensor is None or tensor.is_complex() or tensor.dtype == torch.bool:
        kind = type(values).__name__ if tensor is None else tensor.dtype
        raise TypeError(f"`{name}` has to be {wanted}; got {kind}.")
    return tensor.float()


def _is_saved(weights) -> bool:
    """By its data, for an installed and a loaded copy of this module have different classes."""
    return all(hasattr(weights, name) for name in ("weights", "blend", "phrases"))


def _saved_matrix(saved: SavedWeights, phrases: Sequence[str], blend: str) -> torch.Tensor:
    if saved.blend != blend:
        raise ValueError(f"The saved `weights` belong to blend={saved.blend!r}, but blend={blend!r} is asked for.")
    if saved.phrases != list(phrases):
        raise ValueError(
            f"The saved `weights` belong to the objects {saved.phrases}, but the layout has {list(phrases)}. Use the"
            " layout that they were made with."
        )
    return saved.weights


def resample(weights: torch.Tensor, num_steps: int) -> torch.Tensor:
    """
    The same course over relative time in another number of steps, linear in between.

    Args:
        weights (`torch.Tensor` of shape (objects, steps)): A step's weight stands for the middle of its time.

    Returns:
        `torch.Tensor` of shape (objects, num_steps).
    """
    if weights.shape[1] == num_steps:
        return weights
    return F.interpolate(weights[:, None], num_steps, mode="linear", align_corners=False)[:, 0]


def _check_values(matrix: torch.Tensor, blend: str) -> None:
    if not matrix.isfinite().all():
        raise ValueError("`weights` holds NaN or infinite values; every weight has to be a finite number.")
    if blend == "convex" and ((matrix < 0) | (matrix > 1)).any():
        raise ValueError(
            f"Convex `weights` have to lie in 0..1, got {matrix.min().item():g}..{matrix.max().item():g}."
            " Stronger control is blend='guided', for runs under classifier-free guidance that evaluate both prompts"
            " at once."
        )


def pad_weights(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Matrices (objects_i, steps) as one tensor (pictures, most objects, steps), padded with zeros."""
    return pad_sequence(matrices, batch_first=True)


def read_weights(weights):
    """Replaces every path in what a user may pass as weights by the [`SavedWeights`] it leads to."""
    if isinstance(weights, (str, os.PathLike)):
        return load_weights(weights)
    if isinstance(weights, (list, tuple)):
        return [read_weights(part) if isinstance(part, (str, os.PathLike)) else part for part in weights]
    return weights


def saved_blend(weights) -> str | None:
    """The blend of the first [`SavedWeights`] among what `read_weights` gave."""
    return next((part.blend for part in _entries(weights) if _is_saved(part)), None)


def choose_blend(blend: str | None, weights, guided: bool, default: str) -> str:
    """What is asked for, else what saved weights belong to, else the checkpoint's default, or convex without CFG."""
    if blend is None:
        blend = saved_blend(weights) or (default if guided else "convex")
    check_choice("blend", blend, BLENDS)
    if blend == "guided" and not guided:
        raise ValueError(
            "`blend='guided'` needs classifier-free guidance, which is off. Pass a `guidance_scale` above 1 or"
            " blend='convex'."
        )
    return blend


def saved_noise(weights, shape: tuple[int, int, int, int]) -> torch.Tensor | None:
    """
    The noise of that shape (pictures, channels, rows, columns) in what `read_weights` gave, if that has it for every
    picture; a warning tells of other noise.
    """
    noises = [getattr(part, "latents", None) for part in _entries(weights)]
    if len(noises) == shape[0] and all(noise is not None and noise.shape == shape[1:] for noise in noises):
        return torch.stack(noises)
    if any(noise is not None for noise in noises):
        _weights_logger.warning(
            "The noise that was saved with the weights is not used: %d pictures of this size need noise of shape %s,"
            " and some of them have another or none.",
            shape[0],
            shape[1:],
        )
    return None


def _entries(weights) -> Sequence:
    """What was passed for each prompt, or all that was passed."""
    return weights if isinstance(weights, (list, tuple)) else [weights]


def load_weights(path: str | os.PathLike) -> SavedWeights:
    """
    Reads a file that `save_weights` wrote.

    Raises:
        ValueError: No such file, or one that does not hold weights; it is named with what is wrong.
    """
    try:
        data = read_json(path) if is_json(path) else _read_tensors(path)
        missing = [name for name in ("weights", "blend", "phrases") if not isinstance(data, dict) or name not in data]
        if missing:
            raise ValueError(f"it lacks {missing}.")
        return SavedWeights(data["weights"], data["blend"], data["phrases"], data.get("latents"))
    except FileNotFoundError:
        raise ValueError(f"There is no file of weights {str(path)!r}.") from None
    except (TypeError, ValueError, OSError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{str(path)!r} is no file of weights: {error}") from None


def _read_tensors(path: str | os.PathLike) -> dict:
    """The tensors of a safetensors file and its metadata."""
    with open(path, "rb") as file:
        check_size(os.fstat(file.fileno()).st_size)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys() if name in ("weights", "latents")}
    with contextlib.suppress(ValueError):
        metadata["phrases"] = json.loads(metadata.get("phrases", ""))
    return metadata | tensors


def is_json(path: str | os.PathLike) -> bool:
    """Whether a file of weights is JSON, by its name."""
    return Path(path).suffix.lower() == ".json"
