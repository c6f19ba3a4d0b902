"""Videos, which AnimateDiff draws: `animated` pipelines, how long their videos may be, and GIFs."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from diffusers import AnimateDiffPipeline, DDIMScheduler, DiffusionPipeline, MotionAdapter
from diffusers.utils import export_to_gif
from PIL import Image

from .stock import denoiser_of


_FRAMES_A_SECOND = 8  # of the videos that AnimateDiff's adapters learned from
_NOISE = {"beta_schedule": "linear", "timestep_spacing": "linspace", "clip_sample": False}  # theirs, too


def most_frames(pipe: DiffusionPipeline) -> int:
    """Of the videos that a pipeline draws; 1 if it draws pictures."""
    return denoiser_of(pipe).model.config.get("motion_max_seq_length") or 1


def animated(pipe: DiffusionPipeline, adapter: MotionAdapter) -> AnimateDiffPipeline:
    """
    AnimateDiff with the parts of a pipeline of Stable Diffusion 1.x, and DDIM for its scheduler.

    Args:
        pipe ([`DiffusionPipeline`]): [`SpaceTimeAttnPipeline`], or diffusers' own.
        adapter ([`MotionAdapter`]): In the UNet's precision.

    Raises:
        ValueError: The adapter is for other UNets.
    """
    own, wanted = (tuple(model.config.block_out_channels) for model in (pipe.unet, adapter))
    if own != wanted:
        raise ValueError(f"The motion adapter is for UNets with {wanted} channels, and this one has {own}.")
    parts = {name: pipe.components[name] for name in ("vae", "text_encoder", "tokenizer", "unet")}
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config, **_NOISE)
    return AnimateDiffPipeline(**parts, scheduler=scheduler, motion_adapter=adapter)


def as_gif(frames: Sequence[Image.Image]) -> bytes:
    """The frames of a video as a GIF, which is shown again and again."""
    with tempfile.TemporaryDirectory() as folder:
        return Path(export_to_gif(list(frames), f"{folder}/video.gif", _FRAMES_A_SECOND)).read_bytes()
