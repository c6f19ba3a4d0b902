# Copyright 2026 The spacetime_attn authors. Licensed under the Apache License, Version 2.0.
"""
`SpaceTimeAttnPipeline`: text to image with every object in its place and with its own attributes, without fine-tuning
(arXiv:2304.03869).

The sampling itself is diffusers' own: the pipeline predicts a layout, encodes each object's local description, and
runs the stock pipeline on its components under regional attention.
"""

import copy
import inspect
import logging
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.image_processor import PipelineImageInput
from diffusers.loaders import (
    FromSingleFileMixin,
    IPAdapterMixin,
    StableDiffusionLoraLoaderMixin,
    TextualInversionLoaderMixin,
)
from diffusers.pipelines.pipeline_utils import StableDiffusionMixin
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import retrieve_timesteps
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from diffusers.schedulers import KarrasDiffusionSchedulers
from diffusers.utils import BaseOutput
from PIL import Image
from transformers import CLIPImageProcessor, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

# diffusers copies the modules that this file names, and no others: all that they need in turn is named here as well.
from .layout.boxes import arrange_boxes  # noqa: F401
from .layout.chunker import WordListChunker  # noqa: F401
from .layout.clauses import ClauseRow  # noqa: F401
from .layout.draw import draw_layout
from .layout.elements import Element  # noqa: F401
from .layout.foreign import is_foreign  # noqa: F401
from .layout.groups import NounGroup  # noqa: F401
from .layout.language import load_language  # noqa: F401
from .layout.lexicon import PERSON_PRONOUNS  # noqa: F401
from .layout.phrases import Phrase  # noqa: F401
from .layout.plurals import is_plural  # noqa: F401
from .layout.regions import Layout
from .layout.relations import find_relations  # noqa: F401
from .layout.rules import RuleLayoutPredictor
from .layout.solver import place_on_lattice  # noqa: F401
from .layout.things import PEOPLE  # noqa: F401
from .layout.words import ARTICLES  # noqa: F401
from .processors.attention import RegionalAttnProcessor  # noqa: F401
from .processors.control import BLENDS, RegionalControl
from .processors.patch import regional_attention
from .processors.steps import evaluation_columns
from .processors.weights import SavedWeights, batch_weights, pad_weights, read_weights


logger = logging.getLogger(__name__)

REGION_SHAPES = ("disc", "box")


@dataclass
class SpaceTimeAttnPipelineOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`, `np.ndarray` or `torch.Tensor`): The pictures, as `output_type` says.
        nsfw_content_detected (`list[bool]` or `None`): The safety checker's verdict, where there is one.
        layouts (`list[Layout]`): For each picture, which phrase went where.
        weights (`torch.Tensor` of shape (pictures, objects, steps)): The combination weights used; pictures with
            fewer objects than the most are padded with zeros.
    """

    images: list[Image.Image] | np.ndarray | torch.Tensor
    nsfw_content_detected: list[bool] | None
    layouts: list[Layout]
    weights: torch.Tensor


class SpaceTimeAttnPipeline(
    DiffusionPipeline,
    StableDiffusionMixin,
    TextualInversionLoaderMixin,
    StableDiffusionLoraLoaderMixin,
    IPAdapterMixin,
    FromSingleFileMixin,
):
    """
    Text-to-image with attention control in space and time for Stable Diffusion 1.x and 2.x.

    The components are those of [`StableDiffusionPipeline`]. The other arguments are defaults that belong to a
    checkpoint; they are saved and loaded with it. Without any, the official settings hold.

    Args:
        default_blend (`str`): `"guided"` or `"convex"`, for calls under classifier-free guidance that name none.
            Calls without guidance are always convex.
        guided_strength (`float`): Shared by the objects of a picture: each has the guided weight strength / N.
        convex_weight (`float`): The convex weight of every object, in 0..1.
        region_shape (`str`): What a predicted box becomes: `"disc"` (around its centre) or `"box"`.
        disc_radius (`float`): Of those discs, in units of the image side.
        layout_predictor (`Callable`, *optional*): Called as `predictor(prompt, aspect_ratio=width / height)`, returns
            a [`Layout`]. Defaults to [`RuleLayoutPredictor`]. Not saved.
        nlp (`str` or `spacy.Language`, *optional*): The English spaCy pipeline of the default predictor, by name,
            path or instance. Defaults to the one that ships. Not saved.
    """

    model_cpu_offload_seq = StableDiffusionPipeline.model_cpu_offload_seq
    _optional_components = StableDiffusionPipeline._optional_components
    _exclude_from_cpu_offload = StableDiffusionPipeline._exclude_from_cpu_offload
    _callback_tensor_inputs = StableDiffusionPipeline._callback_tensor_inputs

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: KarrasDiffusionSchedulers,
        safety_checker: StableDiffusionSafetyChecker,
        feature_extractor: CLIPImageProcessor,
        image_encoder: CLIPVisionModelWithProjection = None,
        requires_safety_checker: bool = True,
        default_blend: str = "guided",
        guided_strength: float = 5.0,
        convex_weight: float = 0.5,
        region_shape: str = "disc",
        disc_radius: float = 0.2,
        layout_predictor: Callable[..., Layout] | None = None,
        nlp: Any = None,
    ):
        super().__init__()
        _check_choice("default_blend", default_blend, BLENDS)
        _check_choice("region_shape", region_shape, REGION_SHAPES)
        components = {
            "vae": vae,
            "text_encoder": text_encoder,
            "tokenizer": tokenizer,
            "unet": unet,
            "scheduler": scheduler,
            "safety_checker": safety_checker,
            "feature_extractor": feature_extractor,
            "image_encoder": image_encoder,
        }
        self.register_modules(**components)
        self.register_to_config(
            requires_safety_checker=requires_safety_checker,
            default_blend=default_blend,
            guided_strength=guided_strength,
            convex_weight=convex_weight,
            region_shape=region_shape,
            disc_radius=disc_radius,
        )
        self._stock = StableDiffusionPipeline(**components, requires_safety_checker=requires_safety_checker)
        self.vae_scale_factor = self._stock.vae_scale_factor
        self.image_processor = self._stock.image_processor
        self.layout_predictor = layout_predictor or RuleLayoutPredictor(nlp)

    @property
    def stock(self) -> StableDiffusionPipeline:
        """diffusers' own pipeline on the components this pipeline has now; it holds the state of the run."""
        for name, component in self.components.items():
            if getattr(self._stock, name) is not component:
                setattr(self._stock, name, component)
        self._stock.image_processor = self.image_processor
        self._stock.set_progress_bar_config(**getattr(self, "_progress_bar_config", {}))
        return self._stock

    draw_layout = staticmethod(draw_layout)

    # The state of the run, which callbacks and other threads may read and change.
    guidance_scale = property(lambda self: self._stock.guidance_scale)
    num_timesteps = property(lambda self: self._stock.num_timesteps)
    interrupt = property(lambda self: self._stock.interrupt)
    _guidance_scale = property(
        lambda self: self._stock._guidance_scale, lambda self, value: setattr(self._stock, "_guidance_scale", value)
    )
    _interrupt = property(
        lambda self: self._stock._interrupt, lambda self, value: setattr(self._stock, "_interrupt", value)
    )

    def predict_layout(self, prompt: str, height: int | None = None, width: int | None = None) -> Layout:
        """
        What `__call__` would do with the prompt's objects; edit it and pass it as `layout`.

        Args:
            prompt (`str`): The text. What lies beyond the text encoder's last token is left out, with a warning.
            height, width (`int`, *optional*): The picture's size in pixels; its ratio matters.

        Returns:
            [`Layout`]: May be without regions, with a warning.
        """
        height, width = self._size(height, width)
        visible = self._visible(prompt)
        if visible != prompt:
            logger.warning(
                "The text encoder does not read the end of the prompt, so objects named there get no region: %r",
                prompt[len(visible) :],
            )
        layout = Layout.coerce(self.layout_predictor(visible, aspect_ratio=width / height))
        if not layout.regions:
            logger.warning(
                "No object was found in the prompt %r, which is read as English: the picture is made without regions.",
                prompt,
            )
        return layout.with_discs(self.config.disc_radius) if self.config.region_shape == "disc" else layout

    def encode_prompt(self, *args, **kwargs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """See [`StableDiffusionPipeline.encode_prompt`]."""
        with _text_model_within(self.text_encoder):
            return self.stock.encode_prompt(*args, **kwargs)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        timesteps: list[int] = None,
        sigmas: list[float] = None,
        guidance_scale: float = 7.5,
        negative_prompt: str | list[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        ip_adapter_image: PipelineImageInput | None = None,
        ip_adapter_image_embeds: list[torch.Tensor] | None = None,
        output_type: str | None = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: dict[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict] | PipelineCallback | MultiPipelineCallbacks | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],  # noqa: B006
        layout: Layout | dict | str | list | None = None,
        blend: str | None = None,
        weights: float | torch.Tensor | str | list | None = None,
        local_prompt_template: str = "a photo of {}",
    ) -> SpaceTimeAttnPipelineOutput | tuple:
        """
        Draws the prompt with each object in its region. All arguments up to `callback_on_step_end_tensor_inputs` are
        [`StableDiffusionPipeline`]'s.

        Args:
            layout ([`Layout`], `dict`, path, or a list of these for each prompt, *optional*):
                Where the objects go; predicted from the prompt by default. Needed with `prompt_embeds`.
            blend (`str`, *optional*): `"guided"` or `"convex"` (see [`RegionalAttnProcessor`]). By default the
                checkpoint's under classifier-free guidance, convex without it.
            weights (`float`, `torch.Tensor`, path, or a list of these for each prompt, *optional*):
                The combination weights: one number for all objects and steps, shape (objects, num_inference_steps),
                for several prompts also (prompts, objects, num_inference_steps) padded with zeros, or a saved file.
                By default the checkpoint's. Where all are zero the result is the stock pipeline's.
            local_prompt_template (`str`): Makes the local description of a phrase, which replaces the `{}`.

        Returns:
            [`SpaceTimeAttnPipelineOutput`], or a tuple of its fields if `return_dict` is `False`.

        Raises:
            ValueError, TypeError: Arguments that make no sense, before any model runs.
        """
        height, width = self._size(height, width)
        options = {
            "prompt": prompt,
            "height": height,
            "width": width,
            "num_inference_steps": num_inference_steps,
            "timesteps": timesteps,
            "sigmas": sigmas,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
            "num_images_per_prompt": num_images_per_prompt,
            "eta": eta,
            "generator": generator,
            "latents": latents,
            "prompt_embeds": prompt_embeds,
            "negative_prompt_embeds": negative_prompt_embeds,
            "ip_adapter_image": ip_adapter_image,
            "ip_adapter_image_embeds": ip_adapter_image_embeds,
            "output_type": output_type,
            "cross_attention_kwargs": cross_attention_kwargs,
            "guidance_rescale": guidance_rescale,
            "clip_skip": clip_skip,
            "callback_on_step_end": callback_on_step_end,
            "callback_on_step_end_tensor_inputs": callback_on_step_end_tensor_inputs,
        }
        stock = self.stock
        _check_stock_options(stock, options)
        _check_template(local_prompt_template)
        steps = _count_steps(self.scheduler, num_inference_steps, timesteps, sigmas)
        guided = guidance_scale > 1 and self.unet.config.time_cond_proj_dim is None
        weights = read_weights(weights)
        blend = _choose_blend(blend, weights, guided, self.config.default_blend)

        layouts = self._layouts(layout, prompt, prompt_embeds, height, width)
        strength = self.config.guided_strength if blend == "guided" else self.config.convex_weight
        matrices = batch_weights(weights, [item.phrases for item in layouts], steps, blend, strength)

        with _text_model_within(self.text_encoder):
            control = nullcontext()
            if any(matrix.any() for matrix in matrices):
                scale = (cross_attention_kwargs or {}).get("scale")
                control = regional_attention(
                    stock,
                    _regional_control(
                        stock, layouts, matrices, blend, local_prompt_template, lora_scale=scale, clip_skip=clip_skip
                    ),
                )
            with control:
                output = stock(**options)
        self.maybe_free_model_hooks()

        output = SpaceTimeAttnPipelineOutput(
            images=output.images,
            nsfw_content_detected=output.nsfw_content_detected,
            layouts=[item for item in layouts for _ in range(num_images_per_prompt)],
            weights=pad_weights(matrices).repeat_interleave(num_images_per_prompt, dim=0),
        )
        return output if return_dict else tuple(getattr(output, field.name) for field in fields(output))

    def _size(self, height: int | None, width: int | None) -> tuple[int, int]:
        """The picture's height and width in pixels; the UNet's own where one is missing."""
        size = self.unet.config.sample_size
        rows, columns = (size, size) if isinstance(size, int) else size
        return height or rows * self.vae_scale_factor, width or columns * self.vae_scale_factor

    def _layouts(self, layout, prompt, prompt_embeds, height: int, width: int) -> list[Layout]:
        """One layout for each prompt, predicted where none is given."""
        prompts = [prompt] if isinstance(prompt, str) else prompt or [None] * len(prompt_embeds)
        given = layout if isinstance(layout, (list, tuple)) else [layout] * (1 if layout is not None else len(prompts))
        if len(given) != len(prompts):
            raise ValueError(f"`layout` holds {len(given)} layouts, but there are {len(prompts)} prompts.")
        if prompt is None and any(item is None for item in given):
            raise ValueError("`prompt_embeds` say nothing of objects: pass `layout` with them, or pass `prompt`.")
        return [
            self.predict_layout(text, height, width) if item is None else Layout.coerce(item)
            for text, item in zip(prompts, given)
        ]

    def _visible(self, prompt: str) -> str:
        """The part of the prompt that the text encoder reads."""
        limit = self.tokenizer.model_max_length

        def length(text: str) -> int:
            return len(self.tokenizer(text).input_ids)

        if length(prompt) <= limit:
            return prompt
        words = re.findall(r"\s*\S+", prompt)
        fitting = bisect_right(range(len(words)), limit, key=lambda count: length("".join(words[:count]))) - 1
        return "".join(words[:fitting])


@contextmanager
def spacetime_attention(
    pipe: DiffusionPipeline,
    layout: Layout | dict | str | list,
    blend: str = "guided",
    weights: float | torch.Tensor | str | list | None = None,
    local_prompt_template: str = "a photo of {}",
) -> Iterator[RegionalControl]:
    """
    The same control for a stock diffusers pipeline with a UNet, for as long as the `with` block runs:

        with spacetime_attention(img2img, layout):
            img2img(prompt, image=image, strength=0.7)

    Args:
        pipe ([`DiffusionPipeline`]): See [`regional_attention`] for which.
        layout ([`Layout`], `dict`, path or a list of these): One for each prompt of a batch.
        blend (`str`): `"guided"`, which needs classifier-free guidance, or `"convex"`.
        weights: See [`batch_weights`], with one column for each step of the scheduler; also saved files. By default
            the official 5/N for guided, 0.5 for convex.
        local_prompt_template (`str`): Makes the local description of a phrase, which replaces the `{}`.

    Raises:
        ValueError, TypeError: Arguments that make no sense.
    """
    _check_choice("blend", blend, BLENDS)
    _check_template(local_prompt_template)
    layouts = [Layout.coerce(item) for item in (layout if isinstance(layout, (list, tuple)) else [layout])]
    matrices = batch_weights(read_weights(weights), [item.phrases for item in layouts], None, blend)
    with torch.no_grad():
        control = _regional_control(pipe, layouts, matrices, blend, local_prompt_template)
    with regional_attention(pipe, control):
        yield control


def _regional_control(
    pipe, layouts: list[Layout], weights: list[torch.Tensor], blend: str, template: str, **encoding
) -> RegionalControl:
    """Encodes the local descriptions of all layouts and brings them together with their regions and weights."""
    texts = [template.replace("{}", region.phrase) for layout in layouts for region in layout.regions]
    contexts, *_ = pipe.encode_prompt(
        prompt=texts,
        device=pipe._execution_device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=False,
        **encoding,
    )
    return RegionalControl(
        contexts=contexts.to(pipe.unet.dtype),
        owners=[number for number, layout in enumerate(layouts) for _ in layout.regions],
        num_prompts=len(layouts),
        masks=lambda height, width: torch.from_numpy(
            np.concatenate([layout.masks(height, width) for layout in layouts])
        ),
        weights=torch.cat(weights),
        blend=blend,
    )


@contextmanager
def _text_model_within(text_encoder) -> Iterator[None]:
    """diffusers' `clip_skip` asks for `text_encoder.text_model`, which CLIPTextModel lost in transformers 5."""
    missing = hasattr(text_encoder, "final_layer_norm") and not hasattr(text_encoder, "text_model")
    if missing:
        object.__setattr__(text_encoder, "text_model", text_encoder)  # past nn.Module, which would register a cycle
    try:
        yield
    finally:
        if missing:
            object.__delattr__(text_encoder, "text_model")


def _count_steps(scheduler, num_inference_steps: int, timesteps, sigmas) -> int:
    """The steps of a run, that is, the columns of its weights; asked of a copy of the scheduler."""
    if timesteps is None and sigmas is None and not (isinstance(num_inference_steps, int) and num_inference_steps > 0):
        raise ValueError(f"`num_inference_steps` has to be a whole number from 1, got {num_inference_steps!r}.")
    scheduler = copy.deepcopy(scheduler)
    retrieve_timesteps(scheduler, num_inference_steps, None, timesteps, sigmas)
    return evaluation_columns(scheduler)[-1] + 1


def _choose_blend(blend: str | None, weights, guided: bool, default: str) -> str:
    """What is asked for, else what saved weights belong to, else the checkpoint's default, or convex without CFG."""
    parts = weights if isinstance(weights, (list, tuple)) else [weights]
    saved = [part.blend for part in parts if isinstance(part, SavedWeights)]
    blend = blend or (saved[0] if saved else default if guided else "convex")
    _check_choice("blend", blend, BLENDS)
    if blend == "guided" and not guided:
        raise ValueError(
            "`blend='guided'` needs classifier-free guidance, which is off. Pass a `guidance_scale` above 1 or"
            " blend='convex'."
        )
    return blend


def _check_stock_options(stock: StableDiffusionPipeline, options: dict) -> None:
    """The stock pipeline's own checks, and those of batch lengths, which it makes too late."""
    callback = options["callback_on_step_end"]
    if isinstance(callback, (PipelineCallback, MultiPipelineCallbacks)):
        options = options | {"callback_on_step_end_tensor_inputs": callback.tensor_inputs}
    names = inspect.signature(stock.check_inputs).parameters
    stock.check_inputs(**{name: options.get(name) for name in names})

    prompt, negative_prompt, generator = (options[name] for name in ("prompt", "negative_prompt", "generator"))
    prompts = 1 if isinstance(prompt, str) else len(prompt if prompt is not None else options["prompt_embeds"])
    if prompts == 0:
        raise ValueError("`prompt` is an empty list: pass at least one prompt.")
    if isinstance(negative_prompt, list) and len(negative_prompt) != prompts:
        raise ValueError(f"`negative_prompt` holds {len(negative_prompt)} texts, but there are {prompts} prompts.")
    pictures = prompts * options["num_images_per_prompt"]
    if isinstance(generator, list) and len(generator) != pictures:
        raise ValueError(f"`generator` holds {len(generator)} generators, but {pictures} pictures are asked for.")


def _check_template(template: str) -> None:
    if not isinstance(template, str) or "{}" not in template:
        raise ValueError(f"`local_prompt_template` has to hold {{}} where the phrase goes, got {template!r}.")


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` has to be one of {', '.join(map(repr, choices))}, got {value!r}.")
