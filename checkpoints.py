"""Loads the pipeline of a checkpoint, whatever that is; or, without weights, what predicts its layouts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import diffusers
import torch
from diffusers.loaders.single_file_utils import (
    SingleFileComponentError,
    fetch_diffusers_config,
    load_single_file_checkpoint,
)
from huggingface_hub import snapshot_download
from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
from transformers.utils import logging as transformers_logging

from .pipeline_spacetime_attn import SpaceTimeAttnPipeline


SUPPORTED = "Stable Diffusion 1.x, 2.x and XL"

_LEFT_OUT = ("text_encoder", "text_encoder_2", "image_encoder", "safety_checker", "feature_extractor")


def load_pipeline(model: str, dtype: torch.dtype, **settings) -> SpaceTimeAttnPipeline:
    """
    Args:
        model (`str`): A folder, a single file (`.safetensors`, `.ckpt`) or an id on the Hub.
        dtype (`torch.dtype`): Of the weights. A model that places objects keeps its own.
        settings: What [`SpaceTimeAttnPipeline`] takes beside components.

    Raises:
        ValueError, OSError: There is no such checkpoint, it is of a family that is not supported, or lacks something.
    """
    configs = _configs_of(model)
    with _quiet_loading():
        if not Path(model).is_file():
            dtypes = {"default": dtype, "layout_transformer": torch.float32}
            return SpaceTimeAttnPipeline.from_pretrained(model, dtype=dtypes, **settings)
        try:
            return SpaceTimeAttnPipeline.from_single_file(model, config=configs, dtype=dtype, **settings)
        except SingleFileComponentError as error:
            raise ValueError(f"{model!r} is no whole checkpoint: {error}") from None


def load_without_weights(model: str, **settings) -> SpaceTimeAttnPipeline:
    """
    The same pipeline for layouts alone. Of the diffusion model nothing is read but the configs of UNet and VAE, which
    tell the picture's size, and the tokenizers.
    """
    configs = _configs_of(model)
    index = SpaceTimeAttnPipeline.load_config(configs)
    parts = dict.fromkeys(_LEFT_OUT)
    with torch.device("meta"):
        for name in ("unet", "vae"):
            kind = getattr(diffusers, index[name][1])
            parts[name] = kind.from_config(kind.load_config(configs, subfolder=name))
    if "requires_safety_checker" in index:
        settings["requires_safety_checker"] = False
    with _quiet_loading():
        return SpaceTimeAttnPipeline.from_pretrained(configs, **parts, **settings)


def _configs_of(model: str) -> str:
    """The folder with a checkpoint's configs and tokenizers, fetched where need be."""
    place = _repository_like(model) if Path(model).is_file() else model
    folder = place if Path(place).is_dir() else _fetched(place)
    index = SpaceTimeAttnPipeline.load_config(folder)
    if (index.get("unet") or [None, None])[1] != "UNet2DConditionModel" or "vae" not in index:
        raise ValueError(f"{model!r} is for {index.get('_class_name')}. Supported are {SUPPORTED}.")
    return folder


def _repository_like(file: str) -> str:
    """The repository whose configs fit a checkpoint in one file."""
    state = load_single_file_checkpoint(file)
    if "model.diffusion_model.input_blocks.0.0.weight" not in state:
        raise ValueError(f"{file!r} is no checkpoint of a supported family. Supported are {SUPPORTED}.")
    return fetch_diffusers_config(state)["pretrained_model_name_or_path"]


def _fetched(repository: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", repository):
        raise ValueError(f"There is no folder or file {repository!r}.")
    try:
        return snapshot_download(repository, allow_patterns=["*.json", "tokenizer*/*", "layout_transformer/*"])
    except OSError as error:
        raise ValueError(f"There is no folder {repository!r}, and the Hub does not give it: {error}") from None


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Without the bars of what is loaded; those of what is downloaded stay."""
    downloads = not are_progress_bars_disabled()
    libraries = [x for x in (diffusers.utils.logging, transformers_logging) if x.is_progress_bar_enabled()]
    for library in libraries:
        library.disable_progress_bar()
    if downloads:
        enable_progress_bars()  # transformers has switched them off with its own
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bar()
