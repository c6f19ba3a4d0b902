"""The same control for diffusers' own pipelines, for as long as a `with` block runs."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from diffusers import DiffusionPipeline

from .layout.files import encodable, shortened
from .layout.prediction import PREDICTORS, check_llm, named_predictor, predicted_layouts
from .layout.regions import Layout
from .layout.weighted_text import named_syntax, warn_of_syntax
from .pipeline_spacetime_attn import SpaceTimeAttnPipeline
from .processors.checks import check_choice, check_count
from .processors.control import RegionalControl
from .processors.defaults import Defaults, chosen_defaults, has_defaults
from .processors.denoiser import EncodedTexts, check_takes
from .processors.drawn import drawn_bin, drawn_part
from .processors.families import text_model_within
from .processors.flux import FluxDenoiser
from .processors.joint_attention import SIGHTS, JointDenoiser
from .processors.local_texts import (
    check_negatives,
    checked_template,
    region_strengths,
    region_times,
    regional_control,
)
from .processors.patch import regional_attention
from .processors.pixart import PixArtDenoiser
from .processors.region_adapters import ADAPTER_LAYERS
from .processors.replaced import own_method, replaced_method, uncompiled
from .processors.sd3 import SD3Denoiser
from .processors.text_weights import weighted_encoder
from .processors.unet import UNetDenoiser
from .processors.weights import batch_weights, choose_blend, read_weights, saved_blend


DENOISERS = (UNetDenoiser, SD3Denoiser, FluxDenoiser, PixArtDenoiser)

# What a [`RegionalControl`] knows of the objects' texts and regions, which belong to what is drawn in a run.
_OF_TEXTS = (
    "contexts", "owners", "masks", "negatives", "negated", "backgrounds", "context_masks", "negative_masks",
    "adapters", "images",
)  # fmt: skip

# Methods of pipelines that have all else, and yet are not drawn by one batch in each step.
_OTHER_WAYS = {
    "get_views": "draws several views of a picture in each step",
    "invert": "inverts a picture and edits that by several prompts",
}


@contextmanager
def spacetime_attention(
    pipe: DiffusionPipeline,
    layout: Layout | dict | str | list,
    blend: str | None = None,
    weights: float | torch.Tensor | str | list | None = None,
    local_prompt_template: str = "a photo of {}",
    preset: str | Defaults | None = None,
    local_max_sequence_length: int | None = None,
    local_sight: str | None = None,
    adapter_layers: str = "all",
    prompt_syntax: str = "plain",
) -> Iterator[RegionalControl]:
    """
    The same control for a stock diffusers pipeline, for as long as the `with` block runs:

        with spacetime_attention(img2img, layout):
            img2img(prompt, image=image, strength=0.7)

    Args:
        pipe ([`DiffusionPipeline`]): Of Stable Diffusion 1.x, 2.x, XL, 3, 3.5, FLUX.1 or PixArt; see
            [`regional_attention`] for which. If its checkpoint, or the pipeline that it was made from, has defaults of
            its own, these hold; otherwise the preset `"official"`, and with transformers `"early"`.
        layout ([`Layout`], `dict`, path or a list of these): One for each prompt of a batch, or for each frame of a
            video. It is that of the whole picture: inpainting with `padding_mask_crop` draws its part, see
            [`Layout.cropped`], with the weights that the objects have in the whole. PixArt may draw a wider or taller
            picture and cut its sides off: regions are in what is left. It does not cut latents.
        blend (`str`, *optional*): `"guided"` or `"convex"`; by default the checkpoint's in runs under classifier-free
            guidance, convex in runs without, and with FLUX.1, whose negative prompt is evaluated by itself.
        weights: See [`batch_weights`], with one column for each step of the scheduler; also saved files. Steps, and
            the times of regions, are those of the whole schedule, in which image-to-image begins late.
        local_prompt_template (`str`): Makes the local description of a phrase, which replaces the `{}`.
        preset (`str` or [`Defaults`], *optional*): `"official"` or `"early"`, or any, in the place of the checkpoint's
            defaults.
        local_max_sequence_length (`int`, *optional*): How many tokens T5 makes of each local description: at most 128
            with FLUX.1, 64 with Stable Diffusion 3 and as many as of the prompt with PixArt, unless said otherwise.
        local_sight (`str`, *optional*): What a local description sees in Stable Diffusion 3 and FLUX.1, whose texts
            attend to the picture: its `"region"`, the default, or all the `"picture"`, as the prompt does.
        adapter_layers (`str`): Where LoRA adapters that regions name act: in `"all"` of their layers, or in those of
            `"cross_attention"` alone.
        prompt_syntax (`str`): How weights stand in the layout's texts, and in those that the pipeline is given in the
            block, see [`SpaceTimeAttnPipeline`]; with Stable Diffusion 1.x, 2.x and XL.

    Raises:
        ValueError, TypeError: Arguments that make no sense.
        ImportError: The syntax needs compel, which is not installed.
    """
    if isinstance(pipe, SpaceTimeAttnPipeline):
        raise TypeError("A SpaceTimeAttnPipeline has control of its own: call it with `layout`, or pass `pipe.stock`.")
    texts = EncodedTexts()
    denoiser = denoiser_of(pipe, texts)
    syntax, denoiser.encode_prompt = named_syntax(prompt_syntax), own_method(pipe, "encode_prompt")
    if syntax:
        if not isinstance(denoiser, UNetDenoiser):
            raise ValueError(
                f"`prompt_syntax` is for {UNetDenoiser.kind}, and {type(pipe).__name__} has other text encoders: leave"
                " it out."
            )
        denoiser.encode_prompt = weighted_encoder(pipe, syntax)
    if local_max_sequence_length is not None:
        check_count("local_max_sequence_length", local_max_sequence_length)
    if local_sight is not None:
        check_choice("local_sight", local_sight, SIGHTS)
        if not isinstance(denoiser, JointDenoiser):
            raise ValueError(
                f"`local_sight` is for texts that attend to the picture, and those of {denoiser.kind} do not."
            )
        denoiser.local_sight = local_sight
    local_prompt_template = checked_template(local_prompt_template)
    check_choice("adapter_layers", adapter_layers, ADAPTER_LAYERS)
    layouts = [Layout.coerce(item) for item in (layout if isinstance(layout, (list, tuple)) else [layout])]
    if not layouts:
        raise ValueError("`layout` is an empty list: pass one layout for each prompt.")
    layouts = [syntax.split_layout(item) for item in layouts] if syntax else layouts
    check_takes(denoiser, layouts)
    phrases = [item.phrases for item in layouts]
    weights, defaults = read_weights(weights), chosen_defaults(preset, checkpoint_config(pipe.config), denoiser.preset)
    if not denoiser.in_halves and (blend or saved_blend(weights)) == "guided":
        raise ValueError(
            "`blend='guided'` subtracts the unconditional attention, and the negative prompt of"
            f" {type(pipe).__name__} is evaluated by itself: pass blend='convex', with weights in 0..1."
        )

    def settings(guided: bool, steps: int | None = None, first: int = 0) -> tuple[str, list[torch.Tensor]]:
        chosen = choose_blend(blend, weights, guided and denoiser.in_halves, defaults.default_blend)
        return chosen, batch_weights(weights, phrases, steps, chosen, first=first, **defaults.weights(chosen))

    @torch.no_grad()
    def controlled(layouts: list[Layout], blend: str, matrices: list[torch.Tensor], encoding: dict) -> RegionalControl:
        return regional_control(
            denoiser,
            layouts,
            matrices,
            blend,
            local_prompt_template,
            defaults,
            encoding,
            local_max_sequence_length,
            adapter_layers,
        )

    def begin_run(guided: bool, steps: int, first: int) -> None:
        nonlocal known
        drawn, (control.blend, matrices) = layouts, settings(guided, steps, first)
        if not acting:
            control.weights, control.strengths = torch.cat(matrices), torch.zeros(1, steps)
            return
        if shown := part() or whole():
            drawn = [item.cropped(shown) for item in layouts]
            seen = [[region.cropped(shown) is not None for region in item.regions] for item in layouts]
            matrices = [matrix[rows] for matrix, rows in zip(matrices, seen)]
        check_negatives(drawn, guided, denoiser.guided_by)
        control.weights, control.strengths = torch.cat(matrices), region_strengths(drawn, steps)
        control.times = region_times(drawn, steps)
        control.separations = defaults.separations(steps, first)
        asked = texts.settings, shown
        if asked != known:
            of_run, known = controlled(drawn, control.blend, matrices, asked[0]), asked
            if shown and pictures:
                of_run.images = replace(pictures, objects=_in_part(pictures.objects, drawn, seen, layouts))
            for name in _OF_TEXTS:
                setattr(control, name, getattr(of_run, name))
        if control.acts_from(first) and getattr(pipe, "do_perturbed_attention_guidance", False):
            raise ValueError(
                "Perturbed-attention guidance adds rows to the batch that cannot be controlled: switch it off."
            )

    known: tuple[dict, tuple | None] = {}, None
    chosen, matrices = settings(guided=blend != "convex")
    acting = can_act(layouts, weights, matrices)
    control = controlled(layouts, chosen, matrices, {}) if acting else _at_rest(len(layouts))
    pictures = control.images
    with (
        regional_attention(denoiser, control, begin_run),
        _heard(pipe, texts, plain=isinstance(denoiser, UNetDenoiser) and not syntax),
        text_model_within(pipe.text_encoder),
        drawn_part(pipe) as part,
        drawn_bin(pipe) as whole,
    ):
        yield control


def can_act(layouts: list[Layout], weights, matrices: list[torch.Tensor]) -> bool:
    """Whether any region or background can, with the weights that were passed, and as matrices (objects, steps)."""
    regions = [region for layout in layouts for region in layout.regions]
    if any(region.adapters or region.image for region in regions):
        return True
    given = weights if isinstance(weights, (list, tuple)) else [weights]
    if any(part is None for part in given):  # the defaults depend on the run's guidance
        matrices = [torch.ones_like(matrix) for matrix in matrices]
    weighted = [bool(row.any()) for matrix in matrices for row in matrix]
    with_background = (matrix.any() for layout, matrix in zip(layouts, matrices) if layout.has_background)
    return any(region.strength for region, acts in zip(regions, weighted) if acts) or any(with_background)


def _at_rest(num_prompts: int) -> RegionalControl:
    """A control without objects, for which no text has to be encoded."""
    contexts, weights = torch.zeros(0, 0, 0), torch.zeros(0, 1)
    return RegionalControl(
        contexts, [], num_prompts, lambda height, width, part=None: torch.zeros(0, height, width), weights, "convex"
    )


def _in_part(objects: list[int], drawn: list[Layout], seen: list[list[bool]], layouts: list[Layout]) -> list:
    """The numbers that objects of the layouts have in the part that is drawn; `None` for those not seen there."""
    numbers, count = [], 0
    for whole, part, inside in zip(layouts, drawn, seen):
        numbers += [count + sum(inside[:place]) if here else None for place, here in enumerate(inside)]
        numbers += [None] * whole.has_background
        count += len(part.local_texts)
    return [numbers[number] for number in objects]


def predict_layout(
    prompt: str,
    height: int = 1024,
    width: int = 1024,
    objects: Sequence[str] | None = None,
    preset: str | Defaults = "early",
    generator: torch.Generator | None = None,
    layout_predictor: str | Callable[..., Layout] = "transformer",
    nlp: Any = None,
    llm: Any = None,
    prompt_syntax: str = "plain",
) -> Layout:
    """
    A prompt's layout, for those who hold one of diffusers' own pipelines; no model of it is needed.

    Args:
        prompt (`str`): The text; all of it counts.
        height, width (`int`): The picture's size in pixels; its ratio matters.
        objects (`Sequence[str]`, *optional*): The prompt's words for its objects, where the reading is to be
            corrected.
        preset (`str` or [`Defaults`]): What a box of the predictors that ship becomes: with `"early"` it stays one,
            with `"official"` it is a disc.
        generator (`torch.Generator`, *optional*): Of predictors that draw layouts.
        layout_predictor (`str` or `Callable`), nlp, llm, prompt_syntax (*optional*): As in [`SpaceTimeAttnPipeline`].

    Raises:
        TypeError, ValueError: The prompt is no string, or another argument makes no sense.
        ImportError: The syntax needs compel, which is not installed.
    """
    check_count("height", height)
    check_count("width", width)
    if not isinstance(prompt, str):
        raise TypeError(f"`prompt` has to be a string, got {shortened(prompt)}.")
    check_llm(llm, layout_predictor)
    if not callable(layout_predictor):
        check_choice("layout_predictor", layout_predictor, PREDICTORS)
        layout_predictor = named_predictor(layout_predictor, nlp=nlp, llm=llm)
    fit, syntax = chosen_defaults(preset, {}).fitted, named_syntax(prompt_syntax)
    [layout] = predicted_layouts(
        layout_predictor, encodable(prompt), width / height, objects, [generator], nlp, syntax, fit
    )
    return layout


def denoiser_of(pipe: DiffusionPipeline, texts: EncodedTexts | None = None):
    """As regional control sees it, or a TypeError if it is of no family that is supported."""
    for kind in DENOISERS:
        model = getattr(pipe, kind.component, None)
        if isinstance(uncompiled(model), kind.models):
            _check_kind(pipe, "encode_prompt", "scheduler", *kind.needs)
            return kind(pipe, texts)
    model = getattr(pipe, "unet", getattr(pipe, "transformer", None))
    raise TypeError(
        f"{type(pipe).__name__} cannot be controlled: its denoiser is a {type(model).__name__}, and only those of"
        f" {_supported()} can be."
    )


def _supported() -> str:
    return ", ".join(kind.kind for kind in DENOISERS)


def _check_kind(pipe, *needed: str) -> None:
    """
    Raises:
        TypeError: The pipeline has no attribute or method of one of these names, or draws or encodes in another way.
    """
    missing = [name for name in needed if not hasattr(pipe, name) and not hasattr(type(pipe), name)]
    if missing:
        raise TypeError(
            f"{type(pipe).__name__} cannot be controlled: it lacks {', '.join(f'`{name}`' for name in missing)}."
        )
    for method, way in _OTHER_WAYS.items():
        if hasattr(type(pipe), method):
            raise TypeError(f"{type(pipe).__name__} cannot be controlled: it {way}.")
    if "num_images_per_prompt" not in inspect.signature(type(pipe).encode_prompt).parameters:
        raise TypeError(
            f"{type(pipe).__name__} cannot be controlled: its `encode_prompt` has no `num_images_per_prompt`, as that"
            f" of pipelines has which draw pictures with {_supported()}, or videos with AnimateDiff and Stable"
            " Diffusion 1.x."
        )


@contextmanager
def _heard(pipe: DiffusionPipeline, texts: EncodedTexts, plain: bool) -> Iterator[None]:
    """Lets these texts know what the pipeline encodes; where it is `plain` and might have weights, a warning tells."""
    encode, signature = pipe.encode_prompt, inspect.signature(type(pipe).encode_prompt)

    def encode_prompt(*args, **kwargs):
        results, given = encode(*args, **kwargs), signature.bind(pipe, *args, **kwargs)
        given.apply_defaults()
        texts.add(dict(given.arguments), results)
        if plain:
            written = (given.arguments[name] or [] for name in ("prompt", "negative_prompt"))
            warn_of_syntax(text for some in written for text in ([some] if isinstance(some, str) else some))
        return results

    with replaced_method(pipe, "encode_prompt", encode_prompt):
        yield


def checkpoint_config(config: dict) -> dict:
    """The config of a pipeline, or its checkpoint's, where a pipeline loaded it that drops what it does not know."""
    home = config.get("_name_or_path")
    if home is None or has_defaults(config):
        return config
    try:
        return DiffusionPipeline.load_config(home, local_files_only=True)
    except OSError:  # it has gone meanwhile
        return config
