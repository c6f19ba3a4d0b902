"""A second pass in a larger size that keeps the regions: `upscale`."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image, DiffusionPipeline
from PIL import Image

from .controlled import ControlledPipeline
from .layout.regions import Layout
from .pipeline_spacetime_attn import SpaceTimeAttnPipeline, SpaceTimeAttnPipelineOutput
from .processors.checks import check_count, check_length, check_range
from .processors.defaults import Defaults, chosen_defaults
from .processors.families import sample_sides
from .processors.making import record_of
from .processors.unet import UNetDenoiser
from .processors.weights import SavedWeights, pad_weights
from .processors.windows import in_windows
from .stock import checkpoint_config, denoiser_of, spacetime_attention


LARGEST_FACTOR = 16
_OURS = ("image", "strength", "generator", "prompt", "output_type", "return_dict", "num_images_per_prompt")
_OF_ONE_SIZE = {"height", "width", "latents", "original_size", "target_size", "crops_coords_top_left"}
_OF_ONE_SIZE |= {"negative_original_size", "negative_target_size", "negative_crops_coords_top_left", "denoising_end"}


def upscale(
    pipe: SpaceTimeAttnPipeline | ControlledPipeline | DiffusionPipeline,
    output: SpaceTimeAttnPipelineOutput | Image.Image | Sequence[Image.Image],
    factor: float = 2.0,
    strength: float = 0.2,
    prompt: str | list[str] | None = None,
    layout: Layout | dict | str | list | None = None,
    weights: float | torch.Tensor | str | None = None,
    stride: int | None = None,
    generator: torch.Generator | list[torch.Generator] | None = None,
    **options,
) -> SpaceTimeAttnPipelineOutput:
    """
    Draws pictures once more in a larger size: each is enlarged, noised and denoised, as image-to-image does, under
    the layout that it was drawn with.

    Args:
        pipe ([`SpaceTimeAttnPipeline`], [`ControlledPipeline`] or [`DiffusionPipeline`]): Where diffusers has an
            image-to-image pipeline of its family, for that one draws.
        output ([`SpaceTimeAttnPipelineOutput`] or `PIL.Image`s): What the first pass gave, with pictures of PIL. It
            tells the rest, with which the second pass is drawn, too: prompt, layouts, blend, steps, and guidance, of
            which a checkpoint may allow less, see [`Defaults`].
        factor (`float`): By which the sides grow, 1 to 16; rounded to sides that the model can draw.
        strength (`float`): How much is drawn anew, above 0 to 1: this share of the steps is taken, and at least one.
        prompt (`str` or `list[str]`), layout (*optional*): In the place of those of the output; one for all pictures,
            or one for each.
        weights (*optional*): See [`spacetime_attention`]; for all pictures the same, or of shape (pictures, objects,
            steps), padded with zeros. By default as in the first pass: a number stays, of weights for
            each step, optimised ones too, the late columns act (resampled to another number of steps), and the
            checkpoint's own begin with this pass, or are those that it has for second passes, see [`Defaults`].
        stride (`int`, *optional*): Draws tile by tile: in windows of the size that the model was made for, from one
            to the next at most so many pixels. For UNets.
        generator (`torch.Generator` or a list with one for each picture, *optional*): As in diffusers.
        options: Further arguments of the image-to-image pipeline, and of [`spacetime_attention`]; of texts one for
            all pictures, or a list with one for each.

    Returns:
        [`SpaceTimeAttnPipelineOutput`]: Its `weights` are those of the whole schedule, of which the late columns act;
            `latents` and `loss_history` are those of the first pass.

    Raises:
        ValueError, TypeError: Arguments that make no sense, before any work.
    """
    img2img = _image_to_image(pipe)
    first = _FirstPass.of(output, img2img, getattr(pipe, "defaults", None), prompt, layout, weights, options)
    windows = _windows(img2img, stride, first.layouts)
    check_length("generator", generator, len(first.images), "pictures")
    _check_amounts(factor, strength)
    share = max(strength, _share_of_one_step(img2img, first.of_pipeline))
    said = {"factor": factor, "strength": strength, "stride": stride, "weights": weights, "prompt": prompt}
    said["layout"] = layout
    making = first.making and _extended(first.making, img2img, said | options | {"generator": generator})

    images, unsafe, used, blend = [], [], [], None
    for number, image in enumerate(first.images):
        larger, own = _enlarged(image, factor, img2img), first.of_control | {"weights": first.weights[number]}
        with spacetime_attention(img2img, first.layouts[number], **own) as control, windows(control):
            found = img2img(
                first.prompts[number],
                image=larger,
                strength=share,
                generator=generator[number] if isinstance(generator, list) else generator,
                **_size(larger, img2img),
                **first.options(number),
            )
        images += found.images
        unsafe += found.get("nsfw_content_detected") or []
        used.append(control.weights)
        blend = control.blend
    return SpaceTimeAttnPipelineOutput(
        images=images,
        nsfw_content_detected=unsafe or None,
        layouts=first.layouts,
        weights=pad_weights(used),
        blend=blend,
        loss_history=getattr(output, "loss_history", None),
        latents=getattr(output, "latents", None),
        making=making,
    )


def check_second_pass(
    pipe,
    layouts: Iterable[Layout] = (),
    factor: float = 2.0,
    strength: float = 0.2,
    stride: int | None = None,
) -> None:
    """
    What can be told of a second pass before the first.

    Args:
        pipe, factor, strength, stride: See [`upscale`].
        layouts (`Iterable[Layout]`): Those that it is to be drawn under, as far as they are known.

    Raises:
        ValueError, TypeError: `upscale` would refuse it.
    """
    img2img = _image_to_image(pipe)
    _check_amounts(factor, strength)
    _windows(img2img, stride, list(layouts))


def _check_amounts(factor: float, strength: float) -> None:
    check_range("factor", factor, 1, LARGEST_FACTOR)
    check_range("strength", strength, 0, 1)
    if strength == 0:
        raise ValueError("`strength` 0 draws nothing anew: it has to be above 0, up to 1.")


def _share_of_one_step(img2img, options: Mapping[str, Any]) -> float:
    """The least strength with which image-to-image takes a step."""
    given = next((given for name in ("timesteps", "sigmas") if (given := options.get(name)) is not None), ())
    steps = len(given) or options.get("num_inference_steps", _names(img2img)["num_inference_steps"].default)
    return math.nextafter(1 / steps, 1)


@dataclass(frozen=True)
class _FirstPass:
    """What the second pass has of the first: an entry for each picture, and arguments for both functions."""

    images: list[Image.Image]
    prompts: list[str]
    layouts: list[Layout]
    weights: list
    of_pipeline: dict[str, Any]
    of_control: dict[str, Any]
    making: dict | None

    @classmethod
    def of(cls, output, img2img, own: Defaults | None, prompt, layout, weights, options: dict) -> "_FirstPass":
        """With what the caller gives in the place of it; of pictures alone, with the pipeline's own defaults."""
        told, making = hasattr(output, "layouts"), getattr(output, "making", None)
        images = output.images if told else [output] if isinstance(output, Image.Image) else list(output)
        if not isinstance(images, list) or not all(isinstance(image, Image.Image) for image in images):
            raise TypeError(
                "`output` has to be a picture of PIL, a list of such, or what the pipeline returns with"
                " `output_type='pil'` and `return_dict=True`."
            )
        if not images:
            raise ValueError("`output` holds no pictures.")
        prompt = making and making["prompt"] if prompt is None else prompt
        if prompt is None or layout is None and not told:
            missing = "prompt" if prompt is None else "layout"
            raise ValueError(f"`output` does not tell the `{missing}` of its pictures: pass it.")
        layouts = _one_each("layout", output.layouts if layout is None else layout, len(images))
        layouts = [Layout.coerce(item) for item in layouts]
        own = Defaults(**making["defaults"]) if making else own
        preset, config = options.get("preset", own), checkpoint_config(img2img.config)
        defaults = chosen_defaults(preset, config, denoiser_of(img2img).preset)
        of_pipeline, of_control = _arguments(making, img2img, options, defaults)
        for name, values in of_pipeline.items():
            if _are_texts(values) and name not in options:  # the first pass's, of each prompt
                of_pipeline[name] = [text for text in values for _ in range(len(images) // len(values))]
            check_length(name, of_pipeline[name] if _are_texts(values) else None, len(images), "pictures")
        if weights is None and making:
            weights = _kept_weights(output, layouts, options.get("blend") or output.blend)
            if isinstance(weights, tuple) and options.get("blend") is None:
                of_control.pop("blend", None)  # these tell theirs, which may be another than that of an earlier pass
        if weights is None and options.get("blend") is None:
            weights = defaults.upscale_convex_weight
            of_control |= {} if weights is None else {"blend": "convex"}
        weights = torch.tensor(weights) if isinstance(weights, list) else weights  # as JSON has them
        is_for_each = isinstance(weights, tuple) or getattr(weights, "ndim", 0) == 3
        return cls(
            images,
            _one_each("prompt", prompt, len(images)),
            layouts,
            _one_each("weights", weights if is_for_each else [weights] * len(images), len(images)),
            of_pipeline,
            of_control,
            making,
        )

    def options(self, number: int) -> dict[str, Any]:
        """Of one picture, for the pipeline."""
        return {name: value[number] if _are_texts(value) else value for name, value in self.of_pipeline.items()}


def _kept_weights(output: SpaceTimeAttnPipelineOutput, layouts: list[Layout], blend: str):
    """The first pass's: a number or nothing for all pictures, or what is resampled, one for each."""
    given = output.making["weights"]
    is_number = isinstance(given, (Real, type(None))) and "weights" not in output.making["lost"]
    if is_number and not output.making["optimize_weights"]:
        return given
    if [layout.phrases for layout in layouts] != [layout.phrases for layout in output.layouts]:
        return output.weights  # whose shape may be wrong
    pairs = zip(output.weights, layouts)
    return tuple(SavedWeights(matrix[: len(layout)], blend, layout.phrases) for matrix, layout in pairs)


def _are_texts(value) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _arguments(making: dict | None, img2img, options: dict, defaults: Defaults) -> tuple[dict, dict]:
    """What is image-to-image's of the options and of the first pass's arguments, and what the control's."""
    names, of_control = _names(img2img), _names(spacetime_attention)
    if unknown := [name for name in options if name in _OURS or name not in names | of_control]:
        raise ValueError(f"{type(img2img).__name__} takes no `{unknown[0]}` here: leave it out.")
    kept = {}
    if making:
        for name in making["lost"]:
            if name in names and name not in (*_OURS, *_OF_ONE_SIZE, *options):
                raise ValueError(f"`output` does not tell the `{name}` of its pictures: pass it, or None.")
        kept = {name: value for name, value in making["arguments"].items() if name not in (*_OURS, *_OF_ONE_SIZE)}
    kept["preset"] = defaults
    if (most := defaults.upscale_guidance_scale) is not None:
        kept["guidance_scale"] = min(kept.get("guidance_scale", names["guidance_scale"].default), most)
    kept |= options
    if kept.get("guidance_scale", math.inf) <= 1 and "blend" not in options:
        kept.pop("blend", None)  # what the first pass had; without guidance there is one
    return tuple({name: value for name, value in kept.items() if name in known} for known in (names, of_control))


def _extended(making: dict, img2img, given: dict) -> dict:
    """The record of the first pass, and of this one."""
    prompt = {"prompt": given["prompt"] or ""}  # where it is that of the first pass
    record = record_of(img2img, given | prompt, Defaults(**making["defaults"]))
    own = ("prompt", "seed", "generator", "weights")
    this = {name: record[name] for name in own if record[name] not in (None, "")}
    this |= {} if given["prompt"] is None else {"prompt": record["prompt"]}
    not_kept = {"layout": given["layout"] is not None, "weights": isinstance(record["weights"], dict)}
    not_kept |= {"generator": "seed" not in this} | dict.fromkeys(record["lost"], True)
    lost = [f"{name} of the second pass" for name, is_lost in not_kept.items() if is_lost]
    passes = [*making["arguments"].get("upscale", []), record["arguments"] | this]
    return making | {"arguments": making["arguments"] | {"upscale": passes}, "lost": [*making["lost"], *lost]}


def _image_to_image(pipe) -> DiffusionPipeline:
    """diffusers' image-to-image pipeline on the same components."""
    stock = pipe.stock if isinstance(pipe, SpaceTimeAttnPipeline) else getattr(pipe, "pipe", pipe)
    try:
        img2img = AutoPipelineForImage2Image.from_pipe(stock)
    except ValueError:
        kind = type(stock).__name__
        raise ValueError(
            f"diffusers has no image-to-image pipeline for {kind}, which draws the second pass."
        ) from None
    img2img.set_progress_bar_config(**getattr(stock, "_progress_bar_config", {}))
    return img2img


def _windows(img2img, stride: int | None, layouts: list[Layout]) -> Callable:
    """What to run a pass within, called with its control."""
    if stride is None:
        return nullcontext
    check_count("stride", stride)
    denoiser = denoiser_of(img2img)
    if not isinstance(denoiser, UNetDenoiser):
        kind = type(denoiser.model).__name__
        raise ValueError(f"`stride` draws in windows, which are for UNets, and not for a {kind}: leave it out.")
    if shown := [region.phrase for layout in layouts for region in layout.regions if region.image]:
        raise ValueError(
            f"`image` of {shown[0]!r} acts where the picture is drawn as a whole, and `stride` draws it in windows:"
            " leave out one of them."
        )
    size, latents = sample_sides(img2img.unet.config.sample_size), stride // img2img.vae_scale_factor
    if not 1 <= latents <= min(size):
        most = min(size) * img2img.vae_scale_factor
        raise ValueError(f"`stride` has to lie in {img2img.vae_scale_factor}..{most} pixels, got {stride}.")
    return lambda control: in_windows(denoiser, control, size, latents)


def _enlarged(image: Image.Image, factor: float, img2img) -> Image.Image:
    """In whole latents, and with transformers in whole patches of two."""
    multiple = img2img.vae_scale_factor * (2 if hasattr(img2img, "transformer") else 1)
    sides = (max(round(factor * side / multiple), 1) * multiple for side in image.size)
    return image.convert("RGB").resize(tuple(sides), Image.Resampling.LANCZOS)


def _size(image: Image.Image, img2img) -> dict[str, int]:
    """As arguments, where image-to-image does not take it from the picture."""
    size = {"height": image.height, "width": image.width}
    return {name: side for name, side in size.items() if name in _names(img2img)}


def _one_each(name: str, values, count: int) -> list:
    """A value for each picture."""
    values = list(values) if isinstance(values, (list, tuple, torch.Tensor)) else [values] * count
    check_length(name, values, count, "pictures")
    return values


def _names(function) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)
