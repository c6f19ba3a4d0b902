"""diffusers' own pipelines, of families with transformers and of videos, called as a `SpaceTimeAttnPipeline` is."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import diffusers
import torch
from diffusers import AnimateDiffPipeline, DiffusionPipeline

from .layout.regions import Layout
from .pipeline_spacetime_attn import SpaceTimeAttnPipelineOutput
from .processors.checks import check_count
from .processors.defaults import DEFAULT_NAMES, Defaults, chosen_defaults
from .processors.families import check_index, sample_sides
from .processors.making import adapters_of, record_of
from .processors.weights import pad_weights
from .stock import DENOISERS, checkpoint_config, denoiser_of, predict_layout, spacetime_attention
from .videos import most_frames


class ControlledPipeline:
    """
    One of diffusers' own pipelines that is called as a [`SpaceTimeAttnPipeline`] is: a prompt in, pictures and their
    layouts out, or the frames of one video and theirs. What it does not have itself is the pipeline's.

    Args:
        pipe ([`DiffusionPipeline`]): As [`spacetime_attention`] takes it.
        preset (`str` or [`Defaults`], *optional*): In the place of the checkpoint's defaults, each of which may be set
            afterwards.
        layout_predictor (`str` or `Callable`), llm (*optional*): As in [`SpaceTimeAttnPipeline`].
    """

    def __init__(
        self,
        pipe: DiffusionPipeline,
        preset: str | Defaults | None = None,
        layout_predictor: str | Callable[..., Layout] = "transformer",
        llm: Any = None,
    ):
        family = denoiser_of(pipe)  # or refuse it
        self.pipe = pipe
        self.defaults = chosen_defaults(preset, checkpoint_config(pipe.config), family.preset)
        self.layout_predictor, self.llm = layout_predictor, llm

    def __setattr__(self, name: str, value):
        if name in DEFAULT_NAMES:
            name, value = "defaults", replace(self.defaults, **{name: value})
        if name == "scheduler":
            self.pipe.scheduler = value
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str):
        if name == "pipe":  # not set yet
            raise AttributeError(name)
        return getattr(self.pipe, name)

    def to(self, *args, **kwargs) -> "ControlledPipeline":
        """See [`DiffusionPipeline.to`]."""
        self.pipe.to(*args, **kwargs)
        return self

    def picture_size(self, height: int | None = None, width: int | None = None) -> tuple[int, int]:
        """The picture's height and width in pixels; the model's own where one is missing."""
        own = denoiser_of(self.pipe).model.config.get("sample_size") or self.default_sample_size
        rows, columns = sample_sides(own)
        return height or rows * self.vae_scale_factor, width or columns * self.vae_scale_factor

    def predict_layout(
        self,
        prompt: str,
        height: int | None = None,
        width: int | None = None,
        objects: Sequence[str] | None = None,
        generator: torch.Generator | None = None,
    ) -> Layout:
        """See [`SpaceTimeAttnPipeline.predict_layout`]."""
        size = self.picture_size(height, width)
        return predict_layout(prompt, *size, objects, self.defaults, generator, self.layout_predictor, llm=self.llm)

    def __call__(
        self,
        prompt: str,
        layout: Layout | dict | str | list | None = None,
        blend: str | None = None,
        weights: float | torch.Tensor | str | None = None,
        objects: Sequence[str] | None = None,
        local_prompt_template: str = "a photo of {}",
        local_max_sequence_length: int | None = None,
        **options,
    ) -> SpaceTimeAttnPipelineOutput:
        """
        See [`SpaceTimeAttnPipeline.__call__`] and [`spacetime_attention`]; the options are the pipeline's.

        The layout of a video may be a list with one for each frame, see [`interpolated_layouts`]; weights are those of
        each. Its frames do not tell what they were made from.

        Raises:
            ValueError, TypeError: Arguments that make no sense, or that the pipeline does not have.
        """
        options = {name: value for name, value in options.items() if value is not None}
        _check_options(self.pipe, options)
        size = options.get("height"), options.get("width")
        is_video = most_frames(self.pipe) > 1
        given = layout if is_video and isinstance(layout, list) else [layout]
        _check_frames(self.pipe, options, len(given))
        if layout is None:
            given = [self.predict_layout(prompt, *size, objects)]
        layouts = [Layout.coerce(item) for item in given]
        local = {
            "local_prompt_template": local_prompt_template,
            "local_max_sequence_length": local_max_sequence_length,
        }
        making = record_of(self.pipe, {"prompt": prompt, **options, **local, "weights": weights}, self.defaults)
        shows = any(name in options for name in ("ip_adapter_image", "ip_adapter_image_embeds"))
        making["adapters"] = adapters_of(self.pipe, layouts, shows)
        of_each = weights if len(layouts) == 1 else [weights] * len(layouts)
        with spacetime_attention(self.pipe, layouts, blend, of_each, preset=self.defaults, **local) as control:
            output = self.pipe(prompt=prompt, **options)
        making["arguments"]["blend"] = control.blend
        images = _frames(output.frames[0], options) if is_video else output.images
        count = len(images) // len(layouts)
        matrices = [control.weights]  # where only a part of the picture is drawn, it has rows for what is in it alone
        if len(layouts) > 1:
            matrices = control.weights.split([len(item) for item in layouts])
        return SpaceTimeAttnPipelineOutput(
            images=images,
            nsfw_content_detected=None,
            layouts=layouts * count,
            weights=pad_weights(matrices * count),
            blend=control.blend,
            making=None if is_video else making,
        )


def _frames(video, options: dict):
    """The frames of a video, one after the other."""
    return video.transpose(0, 1) if options.get("output_type") == "latent" else video


def _check_options(pipe: DiffusionPipeline, options: dict) -> None:
    """Raises a ValueError if the pipeline lacks one of these arguments, or if its negative prompt would not act."""
    taken = inspect.signature(pipe.__call__).parameters
    for name in options:
        if name not in taken:
            kind = type(pipe).__name__
            raise ValueError(f"This checkpoint is {kind}'s, which has no argument `{name}`: leave it out.")
    scale = "true_cfg_scale" if "true_cfg_scale" in taken else "guidance_scale"
    value = options.get(scale, taken[scale].default)
    if options.get("negative_prompt") and value <= 1:
        raise ValueError(
            f"`negative_prompt` acts with a `{scale}` above 1, and it is {value}: raise it, or leave this out."
        )
    if options.get("true_cfg_scale", 1) > 1 and not options.keys() & {"negative_prompt", "negative_prompt_embeds"}:
        raise ValueError('`true_cfg_scale` acts with a `negative_prompt`: pass one, which may be "", or leave it out.')


def _check_frames(pipe: DiffusionPipeline, options: dict, layouts: int) -> None:
    """Raises an error for more frames than can be drawn, and for layouts that are neither one nor one for each."""
    if (argument := inspect.signature(pipe.__call__).parameters.get("num_frames")) is None:
        return
    frames, most = options.get("num_frames", argument.default), most_frames(pipe)
    check_count("num_frames", frames)
    if frames > most:
        raise ValueError(f"`num_frames` is {frames}, and this motion adapter draws {most} at most.")
    if layouts not in (1, frames):
        raise ValueError(f"`layout` holds {layouts} layouts for {frames} frames: pass one for each, or one for all.")


def check_checkpoint(index: dict) -> None:
    """Raises a ValueError if a checkpoint with this `model_index.json` is of no family that is supported."""
    try:
        is_controlled(index) or check_index(index)
    except ValueError:
        kind, supported = index.get("_class_name"), ", ".join(kind.kind for kind in DENOISERS)
        raise ValueError(f"A checkpoint of {kind} is not supported, but those of {supported} are.") from None


def is_controlled(index: dict) -> bool:
    """Whether a checkpoint with this `model_index.json` is for a [`ControlledPipeline`]: no UNet's, or of videos."""
    _, kind = index.get("transformer", (None, None))
    is_transformer = kind in {model.__name__ for denoiser in DENOISERS for model in denoiser.models}
    return is_transformer or index.get("_class_name") == AnimateDiffPipeline.__name__


def check_draws_from_text(index: dict) -> None:
    """Raises a ValueError if the pipeline that a `model_index.json` names needs a picture beside the prompt."""
    kind = getattr(diffusers, str(index.get("_class_name")), None)
    taken = inspect.signature(kind.__call__).parameters if kind else ()
    if any(name in taken for name in ("control_image", "mask_image", "strength")):
        raise ValueError(
            f"{kind.__name__} draws from a picture beside the prompt, and there is none to give it here: take another"
            " checkpoint, or call it in Python, within `spacetime_attention`."
        )
