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
import math
import os
import re
import shutil
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from functools import wraps
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.image_processor import PipelineImageInput
from diffusers.loaders import FromSingleFileMixin, IPAdapterMixin, TextualInversionLoaderMixin
from diffusers.pipelines.pipeline_utils import StableDiffusionMixin
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import retrieve_timesteps
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from diffusers.schedulers import KarrasDiffusionSchedulers
from diffusers.utils import BaseOutput
from huggingface_hub import snapshot_download
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
)

# diffusers copies the modules that this file names, and no others: all that they need in turn is named here as well.
from .layout.answers import AnswerReader  # noqa: F401
from .layout.assets import find_asset  # noqa: F401
from .layout.auto import AutoLayoutPredictor  # noqa: F401
from .layout.boxes import arrange_boxes  # noqa: F401
from .layout.conversation import opening  # noqa: F401
from .layout.draw import draw_layout, picture_rows
from .layout.files import encodable, shortened
from .layout.foreign import is_foreign  # noqa: F401
from .layout.held import held_in  # noqa: F401
from .layout.holding import broken_relations  # noqa: F401
from .layout.implied import between_in_order  # noqa: F401
from .layout.inequalities import Inequalities  # noqa: F401
from .layout.language import load_language
from .layout.learned import TransformerLayoutPredictor  # noqa: F401
from .layout.least_squares import least_move  # noqa: F401
from .layout.llm import LLMLayoutPredictor  # noqa: F401
from .layout.objects import objects_of  # noqa: F401
from .layout.prediction import PREDICTORS, check_llm, named_predictor, predicted_layouts
from .layout.prompt_syntax import parse_prompt  # noqa: F401
from .layout.reader import Reader  # noqa: F401
from .layout.reader_model import ReaderNetwork  # noqa: F401
from .layout.reading import Reading  # noqa: F401
from .layout.regions import Layout
from .layout.repair import repair_layout  # noqa: F401
from .layout.rules import RuleLayoutPredictor  # noqa: F401
from .layout.shapes import checked_box  # noqa: F401
from .layout.solver import place_on_lattice  # noqa: F401
from .layout.things import kinds_of  # noqa: F401
from .layout.transformer import LayoutTransformer
from .layout.vocabulary import RELATIONS  # noqa: F401
from .layout.weighted_text import PROMPT_SYNTAXES, PromptSyntax, named_syntax, warn_of_syntax
from .layout.words import DETERMINERS  # noqa: F401
from .processors.adjoint import frozen
from .processors.attention import RegionalAttnProcessor  # noqa: F401
from .processors.checks import (
    check_batch,
    check_choice,
    check_length,
    check_option,
    check_options,
    check_pictures,
    check_text_to_image,
)
from .processors.clip_objective import ClipObjective, ImageTextModel
from .processors.control import RegionalControl
from .processors.defaults import DEFAULT_NAMES, PRESETS, Defaults, chosen_defaults
from .processors.families import (
    check_index,
    cut_texts_untold,
    family_of,
    loading_untold,
    missing_text_parts,
    sample_sides,
    text_model_within,
)
from .processors.local_texts import check_negatives, checked_template, regional_control
from .processors.making import adapters_of, record_of
from .processors.optimized_run import check_differentiable, noise_shape, optimize_run
from .processors.optimizer import OptimizedWeights, WeightOptimizer
from .processors.patch import own_run, regional_attention
from .processors.region_adapters import ADAPTER_LAYERS
from .processors.region_images import RegionImages  # noqa: F401
from .processors.replaced import replaced_method
from .processors.self_attention import SeparatedAttnProcessor  # noqa: F401
from .processors.separation import Separation  # noqa: F401
from .processors.steps import evaluation_columns
from .processors.text_weights import weighted_encoder
from .processors.unet import UNetDenoiser
from .processors.weights import (
    batch_weights,
    choose_blend,
    pad_weights,
    read_weights,
    saved_noise,
)


logger = logging.getLogger(__name__)

# A component that may be left out and yet looks required to diffusers, whose `from_pretrained(custom_pipeline=...)`
# would else load the checkpoint's own in spite of `safety_checker=None`.
_LEFT_OUT = inspect.Parameter.empty

# What is set on the pipeline beside its components and holds for the stock pipeline as well.
_SHARED_SETTINGS = (
    "image_processor",
    "watermark",
    "hf_device_map",
    "layout_transformer",
    "_progress_bar_config",
    "_offload_gpu_id",
)

_UNREAD_PROMPT = "the prompt, so objects named there get no region"  # where the layout is predicted

# What belongs to a checkpoint beside its components.
_SETTINGS = (*DEFAULT_NAMES, "clip_model", "layout_predictor", "prompt_syntax")


@dataclass
class SpaceTimeAttnPipelineOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`, `np.ndarray` or `torch.Tensor`): The pictures, as `output_type` says.
        nsfw_content_detected (`list[bool]` or `None`): The safety checker's verdict, where there is one (not in SDXL).
        layouts (`list[Layout]`): For each picture, which phrase went where.
        weights (`torch.Tensor` of shape (pictures, objects, steps)): The combination weights used, before the
            strengths and times of the layouts' regions; pictures with fewer objects than the most are padded with
            zeros.
        blend (`str`): The blend they belong to.
        loss_history (`torch.Tensor` of shape (pictures, epochs), *optional*): The distances that optimised weights
            went through.
        latents (`torch.Tensor` of shape (pictures, channels, rows, columns), *optional*): The noise, where it was
            given, came with saved weights, or was chosen where weights were optimised; to be passed as `latents`.
        making (`dict`): What the call was given, see [`record_of`].
    """

    images: list[Image.Image] | np.ndarray | torch.Tensor
    nsfw_content_detected: list[bool] | None
    layouts: list[Layout]
    weights: torch.Tensor
    blend: str
    loss_history: torch.Tensor | None = None
    latents: torch.Tensor | None = None
    making: dict | None = None

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: each picture beside its layout drawn on it, where the pictures are PIL's."""
        return picture_rows(self.images, self.layouts)._repr_png_() if isinstance(self.images, list) else None


class SpaceTimeAttnPipeline(
    DiffusionPipeline, StableDiffusionMixin, TextualInversionLoaderMixin, IPAdapterMixin, FromSingleFileMixin
):
    """
    Text-to-image with attention control in space and time for Stable Diffusion 1.x, 2.x and SDXL.

    The components and settings from `vae` to `add_watermarker` are those of [`StableDiffusionPipeline`], or of
    [`StableDiffusionXLPipeline`] where the UNet is SDXL's (where there is no UNet: where there is a `text_encoder_2`).
    A component passed as `None` is the same as one left out. LoRAs are loaded, fused and saved by the stock pipeline's
    own methods, which this pipeline has, too.

    With `custom_pipeline`, diffusers overlooks three components, which are better set afterwards, as attributes:
    `DiffusionPipeline.from_pretrained` loads the checkpoint's own `text_encoder_2`, `tokenizer_2` and `image_encoder`
    even where others are passed, and `DiffusionPipeline.from_pipe` takes over none of them unless they are passed (and
    needs `safety_checker=None` for SDXL).

    The other arguments belong to a checkpoint; they are saved and loaded with it, kept by `from_pipe`, and may be set
    as attributes. Without any, the official settings hold.

    Args:
        default_blend, guided_strength, convex_weight, control_guidance_end, weight_schedule, region_shape,
            disc_radius, box_scale, depth_order, separation_strength, separation_end, upscale_guidance_scale,
            upscale_convex_weight: See [`Defaults`].
        preset (`str`, *optional*): `"official"` (the authors' settings) or `"early"` (weights that fall to zero in
            the first half of the steps, boxes as predicted; measured on no real checkpoint), in the place of all of
            these, also of those that a checkpoint carries.
        clip_model (`str`): The model that judges when weights are optimised, loaded when it is needed: an id or path,
            or `"./name"` for a folder of the checkpoint itself.
        layout_transformer ([`LayoutTransformer`], *optional*): The learned predictor's model, in the place of the one
            that ships; saved with the pipeline.
        layout_predictor (`str` or `Callable`): `"rules"`, `"transformer"`, `"llm"`, `"auto"` (see
            [`AutoLayoutPredictor`]), or anything that is called as `predictor(prompt, aspect_ratio=width / height)`
            and returns a [`Layout`]. Only a name is saved.
        nlp (`str` or `spacy.Language`, *optional*): The English spaCy pipeline of the default predictor, by name,
            path or instance. Defaults to the one that ships. Not saved.
        llm (`str`, `Callable` or [`LLMLayoutPredictor`], *optional*): The language model that `"llm"` and `"auto"`
            ask: its id or folder, or a function from a text to the answer. Not saved.
        prompt_syntax (`str`): How the texts of calls are written, see `__call__`.
    """

    # diffusers reads these from the class: they hold for both families, one of which lacks some of the components.
    model_cpu_offload_seq = StableDiffusionXLPipeline.model_cpu_offload_seq
    _optional_components = sorted(
        {
            *StableDiffusionPipeline._optional_components,
            *StableDiffusionXLPipeline._optional_components,
            "layout_transformer",
        }
    )
    _exclude_from_cpu_offload = StableDiffusionPipeline._exclude_from_cpu_offload

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: KarrasDiffusionSchedulers,
        safety_checker: StableDiffusionSafetyChecker = _LEFT_OUT,
        feature_extractor: CLIPImageProcessor = _LEFT_OUT,
        image_encoder: CLIPVisionModelWithProjection = None,
        requires_safety_checker: bool | None = None,
        text_encoder_2: CLIPTextModelWithProjection = None,
        tokenizer_2: CLIPTokenizer = None,
        force_zeros_for_empty_prompt: bool | None = None,
        add_watermarker: bool | None = None,
        default_blend: str = Defaults.default_blend,
        guided_strength: float = Defaults.guided_strength,
        convex_weight: float = Defaults.convex_weight,
        control_guidance_end: float = Defaults.control_guidance_end,
        weight_schedule: str = Defaults.weight_schedule,
        region_shape: str = Defaults.region_shape,
        disc_radius: float = Defaults.disc_radius,
        box_scale: float = Defaults.box_scale,
        depth_order: bool = Defaults.depth_order,
        separation_strength: float = Defaults.separation_strength,
        separation_end: float = Defaults.separation_end,
        upscale_guidance_scale: float | None = Defaults.upscale_guidance_scale,
        upscale_convex_weight: float | None = Defaults.upscale_convex_weight,
        preset: str | None = None,
        clip_model: str = "openai/clip-vit-base-patch32",
        layout_transformer: LayoutTransformer = None,
        layout_predictor: str | Callable[..., Layout] = "transformer",
        nlp: Any = None,
        llm: Any = None,
        prompt_syntax: str = "plain",
    ):
        given = {name: None if value is _LEFT_OUT else value for name, value in dict(locals()).items()}
        super().__init__()
        defaults = chosen_defaults(preset, given)
        if nlp is not None and layout_predictor not in PREDICTORS:
            raise TypeError(f"`nlp` is for the predictors {', '.join(PREDICTORS)}, got {layout_predictor!r} with it.")
        check_llm(llm, layout_predictor)
        self._family = family_of(unet, text_encoder_2)
        components, settings = self._family.components(given), self._family.settings(given)
        self.register_modules(**components)
        self._stock = self._family.stock(**components, **settings)
        self._image_text_models: dict[str, ImageTextModel] = {}
        self.register_to_config(**settings, **asdict(defaults))
        self.clip_model = clip_model
        self.prompt_syntax = prompt_syntax
        self.layout_transformer = layout_transformer
        self.nlp, self.llm = nlp, llm
        self.layout_predictor = layout_predictor

    def register_to_config(self, **kwargs) -> None:
        """
        See [`ConfigMixin.register_to_config`]. What belongs to the checkpoint goes into the stock pipeline's config as
        well, with the underscore under which `from_pipe` passes on what the next pipeline does not know.
        """
        if os.path.isdir(home := kwargs.get("_name_or_path") or ""):
            kwargs["_name_or_path"] = os.path.abspath(home)  # found from other working directories, too
        super().register_to_config(**kwargs)
        if "_stock" in vars(self):
            known = self._stock.config.keys()
            settings = {name: value for name, value in kwargs.items() if not isinstance(value, (tuple, list))}
            self._stock.register_to_config(
                **{name if name in known else f"_{name.removeprefix('_')}": value for name, value in settings.items()}
            )

    @classmethod
    def extract_init_dict(cls, config_dict: dict, **kwargs) -> tuple[dict, dict, dict]:
        """See [`ConfigMixin.extract_init_dict`]; other pipelines have saved those settings with their underscore."""
        check_index(config_dict)
        kept = {name: config_dict[f"_{name}"] for name in _SETTINGS if f"_{name}" in config_dict}
        return super().extract_init_dict(kept | config_dict, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs) -> "SpaceTimeAttnPipeline":
        """
        See [`DiffusionPipeline.from_pretrained`].

        Raises:
            ValueError: There is no such folder, and the name cannot be an id on the Hub.
        """
        place = os.fspath(pretrained_model_name_or_path)
        is_path = place.startswith(("./", "../", "/", "~", f".{os.sep}", f"..{os.sep}")) or place.count(os.sep) > 1
        if is_path and not os.path.isdir(place):
            raise ValueError(f"There is no folder {place!r}: give that of a checkpoint, or an id on the Hub.")
        return super().from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **kwargs) -> "SpaceTimeAttnPipeline":
        """
        See [`DiffusionPipeline.from_pipe`]; also from pipelines of SDXL, which have no safety checker. A
        `layout_transformer` is taken over from a pipeline of this class and from its `stock`.
        """
        check_index({"_class_name": type(pipeline).__name__, **pipeline.config})
        if "safety_checker" not in pipeline.components:
            kwargs.setdefault("safety_checker", None)
        kwargs.setdefault("layout_transformer", getattr(pipeline, "layout_transformer", None))
        return super().from_pipe(pipeline, **kwargs)

    def save_pretrained(self, save_directory: str | os.PathLike, *args, **kwargs) -> None:
        """See [`DiffusionPipeline.save_pretrained`]; a `clip_model` that is the checkpoint's own is copied along."""
        if self.clip_model.startswith("./"):
            target = Path(save_directory, self.clip_model)
            try:
                source = _own_folder(self.clip_model, self.config)
                if not (target.exists() and target.samefile(source)):
                    shutil.copytree(source, target, dirs_exist_ok=True)
            except (OSError, ValueError) as error:
                logger.warning("The `clip_model` %r is not saved along: %s", self.clip_model, error)
        super().save_pretrained(save_directory, *args, **kwargs)

    @property
    def defaults(self) -> Defaults:
        """What holds now where a call says nothing. Each may be set: `pipe.guided_strength = 3`."""
        return Defaults.of(self.config)

    @property
    def preset(self) -> str | None:
        """The name of the preset that the defaults are, if they are one; set it to take another."""
        return next((name for name, preset in PRESETS.items() if preset == self.defaults), None)

    @preset.setter
    def preset(self, name: str) -> None:
        check_choice("preset", name, tuple(PRESETS))
        self.register_to_config(**asdict(PRESETS[name]))

    @property
    def clip_model(self) -> str:
        """The model that judges when weights are optimised."""
        return self.config.clip_model

    @clip_model.setter
    def clip_model(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"`clip_model` has to be an id, a path or './name' in the checkpoint, got {name!r}.")
        parts = Path(name).parts
        if name.startswith("./") and (not parts or ".." in parts):
            raise ValueError(f"`clip_model` has to name a folder in the checkpoint's own, got {name!r}.")
        self.register_to_config(clip_model=name)

    @property
    def prompt_syntax(self) -> str:
        """How the texts of calls are written that do not say it: `"plain"`, `"a1111"` or `"compel"`."""
        return self.config.prompt_syntax

    @prompt_syntax.setter
    def prompt_syntax(self, name: str) -> None:
        check_choice("prompt_syntax", name, PROMPT_SYNTAXES)
        self.register_to_config(prompt_syntax=name)

    @property
    def components(self) -> dict[str, Any]:
        """What makes another pipeline of the same family."""
        return {name: getattr(self, name) for name in self._stock.components}

    @property
    def layout_predictor(self) -> Callable[..., Layout]:
        """What predicts layouts; may be set to another one, also by name."""
        return self._predictor

    @layout_predictor.setter
    def layout_predictor(self, predictor: str | Callable[..., Layout]) -> None:
        named = not callable(predictor)
        if named:
            check_choice("layout_predictor", predictor, PREDICTORS)
            made = named_predictor(predictor, self.layout_transformer, self.nlp, self.llm)
            self.register_to_config(layout_predictor=predictor)
        self._predictor, self._predictor_is_named = made if named else predictor, named

    @property
    def stock(self) -> StableDiffusionPipeline | StableDiffusionXLPipeline:
        """diffusers' own pipeline on the components this pipeline has now; it holds the state of the run."""
        return self._stock

    def __setattr__(self, name: str, value):
        """
        What is set here, such as another scheduler, holds for the stock pipeline, too; defaults are in the config. Of
        a name that is nearly that of a setting there is a warning.

        Raises:
            ValueError: A default that makes no sense.
        """
        if name in DEFAULT_NAMES:
            self.register_to_config(**{name: getattr(replace(self.defaults, **{name: value}), name)})
            return
        if name == "layout_transformer" and value is not None and self.config.get(name, [None])[0] is None:
            self.register_modules(layout_transformer=value)  # which sets it once more
            return
        if name == "nlp" and value is not None:
            load_language(value)  # or refuse it
        if name[0] != "_" and name not in vars(self) and not hasattr(type(self), name):
            _warn_of_spelling(name)
        super().__setattr__(name, value)
        if "_stock" in vars(self) and (name in self._stock.config or name in _SHARED_SETTINGS):
            setattr(self._stock, name, value)
        if name in ("layout_transformer", "nlp", "llm") and vars(self).get("_predictor_is_named"):
            self.layout_predictor = self.config.layout_predictor  # made anew

    draw_layout = staticmethod(draw_layout)

    # Callbacks and other threads steer a run through these two.
    _guidance_scale = property(
        lambda self: self._stock._guidance_scale, lambda self, value: setattr(self._stock, "_guidance_scale", value)
    )
    _interrupt = property(
        lambda self: self._stock._interrupt, lambda self, value: setattr(self._stock, "_interrupt", value)
    )

    def __getattr__(self, name: str):
        """The defaults, and all of the stock pipeline: a run's state, such as `num_timesteps`, LoRA's methods."""
        if name == "_stock":  # not made yet
            raise AttributeError(name)
        return self.config[name] if name in DEFAULT_NAMES else getattr(self._stock, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._stock), *DEFAULT_NAMES})

    def predict_layout(
        self,
        prompt: str,
        height: int | None = None,
        width: int | None = None,
        objects: Sequence[str] | None = None,
        preset: str | None = None,
        generator: torch.Generator | None = None,
        prompt_syntax: str | None = None,
    ) -> Layout:
        """
        What `__call__` would do with the prompt's objects; edit it and pass it as `layout`.

        Args:
            prompt (`str`): The text. Of a plain one, what lies beyond the text encoder's last token is left out, with
                a warning.
            height, width (`int`, *optional*): The picture's size in pixels; its ratio matters.
            generator (`torch.Generator`, *optional*): That of the call, where a predictor draws layouts: this is the
                layout of its first picture. Without it layouts are drawn from torch's own.
            objects, preset, prompt_syntax (*optional*): See `__call__`.

        Returns:
            [`Layout`]: May be without regions, with a warning.

        Raises:
            TypeError, ValueError: The prompt is no string, or another argument makes no sense.
            ImportError: The syntax needs compel, which is not installed.
        """
        for name, value in {"height": height, "width": width, "generator": generator}.items():
            check_option(name, value)
        if not isinstance(prompt, str):
            raise TypeError(f"`prompt` has to be a string, got {shortened(prompt)}.")
        defaults = chosen_defaults(preset, self.config)
        height, width = self.picture_size(height, width)
        if height % 8 or width % 8:
            raise ValueError(f"`height` and `width` have to be divisible by 8 but are {height} and {width}.")
        syntax = named_syntax(prompt_syntax or self.prompt_syntax)
        read = encodable(prompt) if syntax else self._read_part(encodable(prompt), _UNREAD_PROMPT)
        generators = [generator] if generator is None else _layout_generators(generator, 1, self._execution_device)
        return self._predict(read, width / height, objects, generators, syntax, defaults)[0]

    def _predict(self, text, aspect_ratio, objects, generators, syntax, defaults: Defaults) -> list[Layout]:
        """See [`predicted_layouts`]."""
        return predicted_layouts(
            self.layout_predictor, text, aspect_ratio, objects, generators, self.nlp, syntax, defaults.fitted
        )

    @property
    def encode_prompt(self) -> Callable[..., tuple[torch.Tensor | None, ...]]:
        """[`StableDiffusionPipeline.encode_prompt`] or [`StableDiffusionXLPipeline.encode_prompt`]."""
        encode = self._stock.encode_prompt

        @wraps(encode)
        def encode_prompt(*args, **kwargs):
            given = inspect.signature(encode).bind(*args, **kwargs)
            given.apply_defaults()
            self._check_text_parts(given.arguments, given.arguments["do_classifier_free_guidance"])
            with text_model_within(self.text_encoder):
                return encode(*args, **kwargs)

        return encode_prompt

    def _check_text_parts(self, given: dict, guided: bool) -> None:
        """Raises a ValueError if texts have to be encoded, and what that takes is missing."""
        zeros = self.config.get("force_zeros_for_empty_prompt") and given["negative_prompt"] is None
        has_negative = not guided or zeros or given["negative_prompt_embeds"] is not None
        missing = missing_text_parts(self.components)
        if missing and (given["prompt_embeds"] is None or not has_negative):
            texts = "`prompt_embeds`" if has_negative else "`prompt_embeds` and `negative_prompt_embeds`"
            raise ValueError(f"The pipeline has no {missing}: load what is missing, or pass {texts}.")

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        timesteps: list[int] = None,
        sigmas: list[float] = None,
        guidance_scale: float | None = None,
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
        prompt_2: str | list[str] | None = None,
        negative_prompt_2: str | list[str] | None = None,
        pooled_prompt_embeds: torch.Tensor | None = None,
        negative_pooled_prompt_embeds: torch.Tensor | None = None,
        denoising_end: float | None = None,
        original_size: tuple[int, int] | None = None,
        crops_coords_top_left: tuple[int, int] | None = None,
        target_size: tuple[int, int] | None = None,
        negative_original_size: tuple[int, int] | None = None,
        negative_crops_coords_top_left: tuple[int, int] | None = None,
        negative_target_size: tuple[int, int] | None = None,
        layout: Layout | dict | str | list | None = None,
        blend: str | None = None,
        weights: float | torch.Tensor | str | list | None = None,
        objects: Sequence[str] | None = None,
        local_prompt_template: str = "a photo of {}",
        optimize_weights: int | WeightOptimizer | None = None,
        preset: str | None = None,
        layout_prompt: str | list[str] | None = None,
        adapter_layers: str | None = None,
        prompt_syntax: str | None = None,
    ) -> SpaceTimeAttnPipelineOutput | tuple:
        """
        Draws the prompt with each object in its region. All arguments up to `callback_on_step_end_tensor_inputs` are
        [`StableDiffusionPipeline`]'s; those from `prompt_2` to `negative_target_size` are
        [`StableDiffusionXLPipeline`]'s and refused where the checkpoint is of Stable Diffusion 1.x or 2.x. The objects
        are those of `prompt`, and both text encoders of SDXL read their local descriptions.

        Args:
            guidance_scale (`float`, *optional*): Defaults to 7.5, and to 5 for SDXL.
            layout ([`Layout`], `dict`, path, or a list of these for each prompt, *optional*):
                Where the objects go; predicted from the prompt by default, for each of its pictures anew if the
                predictor has a `temperature` above 0 (see [`TransformerLayoutPredictor`]), by the seeds of
                `generator`. With `prompt_embeds`, regions need it or `layout_prompt`. A [`Region`] may also say how
                strongly and when it acts, and have a negative prompt of its own.
            blend (`str`, *optional*): `"guided"` or `"convex"` (see [`RegionalAttnProcessor`]). By default the
                checkpoint's under classifier-free guidance, convex without it.
            weights (`float`, `torch.Tensor`, path, or a list of these for each prompt, *optional*):
                The combination weights: one number for all objects and steps, shape (objects, num_inference_steps),
                for several prompts also (prompts, objects, num_inference_steps) padded with zeros, or a saved file.
                A file may bring noise, which holds for one picture of its size where there are no `latents`. Then the
                `generator` gives only what schedulers add.
                By default the checkpoint's. The regions' strengths multiply them, and outside a region's time they
                count as zero. Where all are zero the result is the stock pipeline's.
            objects (`Sequence[str]`, *optional*): The words of `prompt`, which has to be one, for its objects, where
                the reading is to be corrected.
            local_prompt_template (`str`): Makes the local description of a phrase, which replaces the `{}`.
            optimize_weights (`int` or [`WeightOptimizer`], *optional*): Optimises the noise and the weights of each
                picture through CLIP, starting from `weights`; a number is that of the pictures tried. Each has noise
                of its own, and the best is kept; where `latents` are given, each follows the last one's gradient
                instead, in the time of about four pictures. The same call with the `weights` and `latents` found gives
                the same picture.
            preset (`str`, *optional*): `"official"` or `"early"`, in the place of the checkpoint's `defaults` for
                this call.
            layout_prompt (`str` or `list[str]`, *optional*): What layouts are predicted from in the place of
                `prompt`, all of it; for `prompt_embeds`, above all.
            adapter_layers (`str`, *optional*): Where LoRA adapters that regions name act: in `"all"` of their layers,
                by default, or in those of `"cross_attention"` alone.
            prompt_syntax (`str`, *optional*): How weights stand in prompts, negative prompts, descriptions and
                `local_prompt_template`: `"a1111"` ("a (red:1.3) car"), `"compel"` ("a (red)1.3 car") or `"plain"`, not
                at all. By default the pipeline's own. With weights, texts may be of any length, and what a prompt says
                is to be absent ("--no dogs") joins the negative prompt. Needs compel.

        Returns:
            [`SpaceTimeAttnPipelineOutput`], or a tuple of its fields if `return_dict` is `False`.

        Raises:
            ValueError, TypeError: Arguments that make no sense, before any model runs. Pictures that came out as NaN.
            ImportError: The syntax needs compel, which is not installed.
        """
        given = dict(locals())
        options = self._family.options(given)
        self._check_and_complete(options)
        prompt_syntax = prompt_syntax or self.prompt_syntax
        syntax = named_syntax(prompt_syntax)
        local_prompt_template = checked_template(local_prompt_template)
        check_choice("adapter_layers", adapter_layers, (None, *ADAPTER_LAYERS))
        defaults = chosen_defaults(preset, self.config)
        columns = _columns(self.scheduler, num_inference_steps, timesteps, sigmas)
        guided = options["guidance_scale"] > 1 and self.unet.config.time_cond_proj_dim is None
        self._check_text_parts(options, guided)
        weights = read_weights(weights)
        blend = choose_blend(blend, weights, guided, defaults.default_blend)
        noise = None
        if options["latents"] is None:
            noise = saved_noise(weights, noise_shape(self._stock, options))
            options["latents"] = noise if noise is None else noise.to(self._execution_device, self.unet.dtype)

        optimizer = self._choose_optimizer(optimize_weights, options)
        ours = ("latents", "callback_on_step_end", "weights", "local_prompt_template", "adapter_layers")
        asked = options | {name: given[name] for name in ours}  # as they were given
        asked |= {"blend": blend, "prompt_syntax": prompt_syntax}
        making = record_of(self._stock, asked, defaults, optimizer, noise is not None)

        for text in () if syntax else _as_list(options.get("prompt_2")) or ():
            self._read_part(text, "`prompt_2`")
        layouts, own = self._layouts(layout, options, layout_prompt, objects, defaults, syntax, optimizer is not None)
        shows = any(given[name] is not None for name in ("ip_adapter_image", "ip_adapter_image_embeds"))
        making["adapters"] = adapters_of(self._stock, layouts, shows)
        if syntax:
            layouts = [syntax.split_layout(item) for item in layouts]
        else:
            texts = [_as_list(options[name]) or [] for name in ("prompt", "negative_prompt")]
            texts = [*sum(texts, []), *(text for item in layouts for text in item.local_texts)]
            warn_of_syntax(texts, of_absent=layout is not None)  # else the reading tells
        check_negatives(layouts, guided)
        phrases, of_blend = [item.phrases for item in layouts], defaults.weights(blend)
        matrices = batch_weights(weights, phrases, columns[-1] + 1, blend, own, **of_blend)
        copies, loss_history = num_images_per_prompt // own, None

        with (
            own_run(self._stock),
            text_model_within(self.text_encoder),
            cut_texts_untold(self._family),
            replaced_method(self._stock, "encode_prompt", weighted_encoder(self._stock, syntax))
            if syntax
            else nullcontext(),
        ):
            control = None
            adapted = any(region.adapters or region.image for item in layouts for region in item)
            if adapted or any(matrix.any() for matrix in matrices) or (optimizer and any(map(len, layouts))):
                for text in () if syntax else dict.fromkeys(x for item in layouts for x in item.local_texts):
                    self._read_part(local_prompt_template.replace("{}", text), "a local description")
                scale = (cross_attention_kwargs or {}).get("scale")
                control = regional_control(
                    UNetDenoiser(self._stock),
                    layouts,
                    matrices,
                    blend,
                    local_prompt_template,
                    defaults,
                    {"lora_scale": scale, "clip_skip": clip_skip},
                    adapter_layers=adapter_layers or "all",
                )
            if optimizer and control:
                plain = syntax.text if syntax else str
                found, options["latents"] = self._optimize(
                    optimizer, options, layouts, control, local_prompt_template, plain, len(columns)
                )
                control.weights, loss_history = found.weights, found.loss_history
                matrices = control.weights.split([len(item) for item in layouts])
            as_arrays = {"output_type": "np"} if output_type == "pil" else {}  # in which NaN can be told
            with regional_attention(UNetDenoiser(self._stock), control) if control else nullcontext():
                output = self._stock(**options | as_arrays)
        self.maybe_free_model_hooks()
        check_pictures(output.images)

        output = SpaceTimeAttnPipelineOutput(
            images=self.numpy_to_pil(output.images) if as_arrays else output.images,
            nsfw_content_detected=output.get("nsfw_content_detected"),
            layouts=[item for item in layouts for _ in range(copies)],
            weights=pad_weights(matrices).repeat_interleave(copies, dim=0),
            blend=blend,
            loss_history=loss_history,
            latents=options["latents"],
            making=making,
        )
        return output if return_dict else tuple(getattr(output, field.name) for field in fields(output))

    def _choose_optimizer(self, optimize_weights, options: dict) -> WeightOptimizer | None:
        """What is asked for, checked; gives `options` a generator if there is none, for all epochs share the noise."""
        if optimize_weights is None:
            return None
        optimizer = WeightOptimizer.coerce(optimize_weights)
        if options["prompt"] is None:
            raise ValueError("`optimize_weights` compares pictures with the text: pass `prompt`, not `prompt_embeds`.")
        if options.get("denoising_end") is not None:
            raise ValueError("`optimize_weights` compares finished pictures with the text: leave out `denoising_end`.")
        if torch.is_inference_mode_enabled():
            raise ValueError("`optimize_weights` needs gradients: call the pipeline outside `torch.inference_mode`.")
        check_differentiable(self.scheduler)
        if options["generator"] is None:
            options["generator"] = torch.Generator().manual_seed(torch.randint(2**63 - 1, ()).item())
        return optimizer if options["latents"] is None else optimizer.from_given_noise()

    def _optimize(
        self,
        optimizer: WeightOptimizer,
        options: dict,
        layouts: list[Layout],
        control: RegionalControl,
        template: str,
        plain: Callable[[str], str],
        evaluations: int,
    ) -> tuple[OptimizedWeights, torch.Tensor]:
        """
        The weights of all pictures, each with its own layout, their distances and their noise; `plain` gives the texts
        that CLIP reads. A run has so many evaluations.
        """
        regions = [region for layout in layouts for region in layout.regions]
        clip = self.image_text_model(optimizer.clip)
        objective = ClipObjective(
            clip,
            [plain(prompt) for prompt in _as_list(options["prompt"]) for _ in range(options["num_images_per_prompt"])],
            [plain(optimizer.local_text(region.phrase, region.local_text, template)) for region in regions],
            control.object_owners,
            [optimizer.window(region.centre, region.bounds) for region in regions],
            optimizer.local_factor,
            optimizer.official,
        )
        with self.progress_bar(total=optimizer.passes * evaluations) as bar, frozen([clip.model]):
            bar_config = self._progress_bar_config  # after the bar was made, for it may be the stock pipeline's own
            self._stock.set_progress_bar_config(disable=True)
            try:
                return optimize_run(self._stock, options, control, optimizer, objective, bar, self._family.upcasts_vae)
            finally:
                self._stock.set_progress_bar_config(**bar_config)

    def image_text_model(self, clip: str | ImageTextModel | None = None) -> ImageTextModel:
        """
        The model that judges when weights are optimised, on this pipeline's device; loaded once.

        Args:
            clip (`str` or [`ImageTextModel`], *optional*): By default what the checkpoint's `clip_model` names.
        """
        if not hasattr(clip, "image_features"):
            name = clip or self.clip_model
            if name not in self._image_text_models:
                place = _own_folder(name, self.config) if name.startswith("./") else name
                with loading_untold() if os.path.isdir(place) else nullcontext():
                    self._image_text_models[name] = ImageTextModel.from_pretrained(place)
            clip = self._image_text_models[name]
        clip.model.to(self._execution_device)
        return clip

    def _check_and_complete(self, options: dict) -> None:
        """Refuses the stock pipeline's arguments where they make no sense, and fills in the size and the callback."""
        check_options(options)
        needed = ("unet", "scheduler") if options["output_type"] == "latent" else ("unet", "scheduler", "vae")
        if missing := [f"`{name}`" for name in needed if getattr(self, name) is None]:
            raise ValueError(f"The pipeline has no {' and no '.join(missing)}: load what is missing.")
        check_text_to_image(self.unet.config.in_channels, self.unet.config.out_channels)
        for name in ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2"):
            if options.get(name) is not None:
                options[name] = encodable(options[name])
        options["height"], options["width"] = self.picture_size(options["height"], options["width"])
        if callback := options["callback_on_step_end"]:
            if isinstance(callback, (PipelineCallback, MultiPipelineCallbacks)):
                options["callback_on_step_end_tensor_inputs"] = callback.tensor_inputs
            options["callback_on_step_end"] = lambda _, *args: callback(self, *args)
        names = inspect.signature(self._stock.check_inputs).parameters
        self._stock.check_inputs(**{name: options.get(name) for name in names})
        check_batch(options, self.unet.config.cross_attention_dim)
        layers = min((encoder.config.num_hidden_layers for encoder in self._both("text_encoder")), default=math.inf)
        layers -= self._family.unread_layers
        if options["clip_skip"] is not None and options["clip_skip"] > layers:
            raise ValueError(
                f"`clip_skip` is {options['clip_skip']}, but the text encoder has {layers} layers to skip."
            )

    def _both(self, name: str) -> list:
        """The component of that name and SDXL's second one, as far as the pipeline has them."""
        return [part for part in (getattr(self, name), getattr(self, f"{name}_2", None)) if part is not None]

    def picture_size(self, height: int | None, width: int | None) -> tuple[int, int]:
        """The picture's height and width in pixels; the UNet's own where one is missing."""
        if height and width:
            return height, width
        if self.unet is None:
            raise ValueError("The pipeline has no `unet`, which knows the size: load it, or pass `height`, `width`.")
        rows, columns = sample_sides(self.unet.config.sample_size)
        return height or rows * self.vae_scale_factor, width or columns * self.vae_scale_factor

    def _layouts(
        self, layout, options: dict, layout_prompt, objects, defaults: Defaults, syntax, for_each_picture: bool
    ) -> tuple[list[Layout], int]:
        """
        The layouts of all prompts, given or predicted, one for each picture if that is asked for or the predictor
        draws them; and how many each prompt has.
        """
        prompts = _as_list(options["prompt"]) or [None] * len(options["prompt_embeds"])
        given = list(layout) if isinstance(layout, (list, tuple)) else [layout]
        given = given if layout is not None else given * len(prompts)
        check_option("layout_prompt", layout_prompt)
        for name, values in {"layout": given, "layout_prompt": _as_list(layout_prompt)}.items():
            check_length(name, values, len(prompts), "prompts")
        if objects is not None and (len(prompts) > 1 or layout is not None):
            raise ValueError("`objects` goes with a single `prompt` and without `layout`.")
        if layout_prompt is not None and all(item is not None for item in given):
            raise ValueError("`layout_prompt` is what a `layout` is predicted from: leave one of them out.")
        given = [item if item is None else Layout.coerce(item) for item in given]
        texts = self._layout_texts(prompts, given, layout_prompt, syntax)

        temperature = getattr(self.layout_predictor, "temperature", 0)  # others' may be of any type
        draws = isinstance(temperature, Real) and temperature > 0 and None in given
        each = options["num_images_per_prompt"] if draws or for_each_picture else 1
        drawn_by = [[None]] * len(prompts)
        if draws:
            made = _layout_generators(options["generator"], len(prompts) * each, self._execution_device)
            drawn_by = [made[first : first + each] for first in range(0, len(made), each)]
        layouts: list[Layout] = []
        for text, item, generators in zip(texts, given, drawn_by):
            found = [Layout() if item is None else item]
            if item is None and text is not None:
                aspect_ratio = options["width"] / options["height"]
                found = self._predict(text, aspect_ratio, objects, generators, syntax, defaults)
            layouts += found * (each // len(found))
        return layouts, each

    def _layout_texts(
        self, prompts: list, given: list[Layout | None], layout_prompt, syntax: PromptSyntax | None
    ) -> list[str | None]:
        """What each layout is to be predicted from, if there is anything; warnings show what no encoder reads."""
        texts = prompts
        if not syntax:
            unread = [_UNREAD_PROMPT if item is layout_prompt is None else "the prompt" for item in given]
            texts = [prompt and self._read_part(prompt, what) for prompt, what in zip(prompts, unread)]
        if layout_prompt is not None:
            texts = [encodable(text) for text in _as_list(layout_prompt)]
        if (None, None) in zip(texts, given):
            logger.warning(
                "`prompt_embeds` say nothing of objects, so the pictures are made without regions: pass `layout`, or"
                " `layout_prompt`, the text to predict it from."
            )
        return texts

    def _read_part(self, text: str, what: str) -> str:
        """The part of a text that the text encoders read; a warning shows the rest."""
        visible = self._visible(text)
        if visible != text:
            logger.warning("The text encoder does not read the end of %s: %s", what, shortened(text[len(visible) :]))
        return visible

    def _visible(self, prompt: str) -> str:
        """The part of the prompt that the text encoders read."""
        tokenizers = self._both("tokenizer")

        def is_read(text: str) -> bool:
            return all(
                len(tokenizer(self.maybe_convert_prompt(text, tokenizer)).input_ids) <= tokenizer.model_max_length
                for tokenizer in tokenizers
            )

        with cut_texts_untold(self._family):
            if is_read(prompt):
                return prompt
            ends = [0, *(word.end() for word in re.finditer(r"\S+", prompt))]
            fitting = bisect_left(range(1, len(ends)), True, key=lambda words: not is_read(prompt[: ends[words]]))
            return prompt[: ends[fitting]]


def _columns(scheduler, num_inference_steps: int, timesteps, sigmas) -> list[int]:
    """The weight column of every UNet evaluation of a run; asked of a copy of the scheduler."""
    scheduler = copy.deepcopy(scheduler)
    retrieve_timesteps(scheduler, num_inference_steps, None, timesteps, sigmas)
    return evaluation_columns(scheduler)


def _own_folder(name: str, config: dict) -> Path:
    """Where the checkpoint's folder `"./name"` lies; fetched from the Hub where the checkpoint is there."""
    home = config.get("_name_or_path")
    if home is None:
        raise ValueError(f"{name!r} lies beside a checkpoint, and the pipeline was not loaded from one: give a path.")
    if not os.path.isabs(home):
        home = snapshot_download(home, allow_patterns=f"{name.removeprefix('./')}/*")
    if not Path(home, name).is_dir():
        raise ValueError(f"The checkpoint {str(home)!r} has no folder {name!r}.")
    return Path(home, name)


def _warn_of_spelling(name: str) -> None:
    settings = (*_SETTINGS, "preset", "layout_transformer", "nlp", "llm")
    if name not in settings and (meant := get_close_matches(name, settings, n=1, cutoff=0.92)):
        logger.warning("The pipeline has no setting %r, which is set now without effect: %r is one.", name, meant[0])


def _as_list(texts: str | list[str] | None) -> list[str] | None:
    return [texts] if isinstance(texts, str) else texts


def _layout_generators(generator, pictures: int, device: torch.device) -> list[torch.Generator]:
    """
    For what a predictor draws, one for each picture, on the CPU. They follow from the generators of the noise and each
    picture's number, and leave these as they are: the same seed gives the same layouts, and with these layouts given,
    the same pictures.
    """
    sources = generator if isinstance(generator, list) else [generator] * pictures
    numbers, generators = Counter(), []
    for source in sources:
        if source is None:  # the noise is drawn from torch's own
            module = torch if device.type == "cpu" else torch.get_device_module(device)
            seed = zlib.crc32(module.get_rng_state().numpy())
        else:
            seed = source.initial_seed()
        [mixed] = np.random.SeedSequence((seed, numbers[id(source)])).generate_state(1, np.uint64)
        generators.append(torch.Generator().manual_seed(int(mixed)))
        numbers[id(source)] += 1
    return generators
