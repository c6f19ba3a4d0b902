"""Checkpoints, which are folders, single files or ids on the Hub: what their configs say, and their pipelines."""

import re
from pathlib import Path


def configs_of(model: str) -> str:
    """
    The folder with the configs and tokenizers of a checkpoint.

    Raises:
        ValueError, OSError: There is no such checkpoint, or its family is not supported.
    """
    from ..controlled import check_checkpoint

    place = _repository_like(model) if Path(model).is_file() else model
    folder = place if Path(place).is_dir() else _fetched(place)
    check_checkpoint(index_of(folder))
    return folder


def index_of(configs: str) -> dict:
    """The `model_index.json` in that folder."""
    from ..pipeline_spacetime_attn import SpaceTimeAttnPipeline

    return SpaceTimeAttnPipeline.load_config(configs)


def load_whole(model: str, configs: str, dtype: str, **settings):
    """A pipeline of ours, or for other families and videos the one that the checkpoint names, under control."""
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    from ..controlled import ControlledPipeline, check_draws_from_text, is_controlled
    from ..pipeline_spacetime_attn import SpaceTimeAttnPipeline

    dtype, index = getattr(torch, dtype), index_of(configs)
    if is_controlled(index):
        check_draws_from_text(index)
        return ControlledPipeline(DiffusionPipeline.from_pretrained(model, dtype=dtype), **settings)
    if not Path(model).is_file():
        dtypes = {"default": dtype, "layout_transformer": torch.float32}  # which places the same in any of them
        return SpaceTimeAttnPipeline.from_pretrained(model, dtype=dtypes, **settings)
    try:
        return SpaceTimeAttnPipeline.from_single_file(model, config=configs, dtype=dtype, **settings)
    except SingleFileComponentError as error:
        raise ValueError(f"{model!r} is no whole checkpoint: {error}") from None


def load_animated(motion_adapter: str, model: str, configs: str, dtype: str, **settings):
    """A pipeline of ours that a motion adapter makes one for videos."""
    import torch
    from diffusers import MotionAdapter

    from ..controlled import ControlledPipeline, is_controlled
    from ..videos import animated

    index = index_of(configs)
    if is_controlled(index) or "text_encoder_2" in index:
        raise ValueError("--motion-adapter is for Stable Diffusion 1.x, and this checkpoint is another: leave it out.")
    try:
        adapter = MotionAdapter.from_pretrained(motion_adapter, dtype=getattr(torch, dtype))
    except Exception as error:  # of whatever kind: diffusers has many
        raise ValueError(f"--motion-adapter: {motion_adapter!r} cannot be loaded as one: {error}") from None
    pipe = load_whole(model, configs, dtype, **settings)
    return ControlledPipeline(
        animated(pipe, adapter), pipe.defaults, layout_predictor=pipe.config.layout_predictor, llm=pipe.llm
    )


def load_without_weights(configs: str, **settings):
    """Of the diffusion model nothing is read but the configs, which tell sizes, and the tokenizers."""
    import diffusers
    import torch

    from ..controlled import ControlledPipeline, is_controlled
    from ..pipeline_spacetime_attn import SpaceTimeAttnPipeline

    index = index_of(configs)
    unread = ("text_encoder", "image_encoder", "safety_checker", "feature_extractor", "motion_adapter")
    parts = dict.fromkeys(name for name in index if name.startswith(unread))
    with torch.device("meta"):
        for name in ("transformer" if "transformer" in index else "unet", "vae"):
            library, kind = index[name]
            if library == "diffusers":
                kind = getattr(diffusers, kind)
                parts[name] = kind.from_config(kind.load_config(configs, subfolder=name))
    if "requires_safety_checker" in index:
        settings["requires_safety_checker"] = False
    if is_controlled(index):
        return ControlledPipeline(diffusers.DiffusionPipeline.from_pretrained(configs, **parts), **settings)
    return SpaceTimeAttnPipeline.from_pretrained(configs, **parts, **settings)


def _repository_like(file: str) -> str:
    """The repository whose configs fit a checkpoint in one file."""
    from diffusers.loaders.single_file_utils import fetch_diffusers_config, load_single_file_checkpoint

    from ..controlled import check_checkpoint

    state = load_single_file_checkpoint(file)
    if "model.diffusion_model.input_blocks.0.0.weight" not in state:
        check_checkpoint({"_class_name": "another family in one file"})  # which tells those that are supported
    return fetch_diffusers_config(state)["pretrained_model_name_or_path"]


def _fetched(repository: str) -> str:
    """The folder with what is needed of a repository on the Hub."""
    from huggingface_hub import snapshot_download

    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", repository):
        raise ValueError(f"There is no folder or file {repository!r}.")
    try:
        return snapshot_download(repository, allow_patterns=["*.json", "tokenizer*/*", "layout_transformer/*"])
    except OSError as error:
        raise ValueError(f"There is no folder {repository!r}, and the Hub does not give it: {error}") from None
