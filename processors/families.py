"""The two families of checkpoints. What sets them apart stands in diffusers' own pipelines, and is asked of these."""

import inspect
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers.utils import logging as transformers_logging

from .replaced import uncompiled


# What the constructors of stock pipelines take beside components.
_STOCK_SETTINGS = ("requires_safety_checker", "force_zeros_for_empty_prompt", "add_watermarker")

# Arguments for which each family has a default of its own.
_DEFAULTED = ("guidance_scale", "crops_coords_top_left", "negative_crops_coords_top_left")


def sample_sides(size: int | Sequence[int]) -> tuple[int, int]:
    """The rows and columns of a model's `sample_size`, which is one number where they are as many."""
    return (size, size) if isinstance(size, int) else tuple(size)


@dataclass(frozen=True)
class Family:
    """
    A family of checkpoints, by its text-to-image pipeline.

    Args:
        name (`str`): What messages call it.
        stock (`type[DiffusionPipeline]`): diffusers' own pipeline, whose signatures tell components and arguments.
        unread_layers (`int`): At the end of the text encoders, which it leaves out even without `clip_skip`.
        upcasts_vae (`bool`): Whether its VAE overflows in float16, so that the stock pipeline decodes in float32.
    """

    name: str
    stock: type[DiffusionPipeline]
    unread_layers: int
    upcasts_vae: bool

    def components(self, arguments: dict) -> dict:
        """The stock pipeline's components among a constructor's arguments, see [`Family.options`]."""
        parts = {name: value for name, value in arguments.items() if name not in _STOCK_SETTINGS}
        return self._share("__init__", "component", parts)

    def settings(self, arguments: dict) -> dict:
        """What its constructor takes beside these, its own defaults in the place of `None`."""
        settings = self._share("__init__", "setting", {name: arguments[name] for name in _STOCK_SETTINGS})
        return self._with_defaults("__init__", settings, settings)

    def options(self, arguments: dict) -> dict:
        """
        The stock pipeline's share of a call's arguments, its own defaults in the place of `None` where the families'
        defaults differ.

        Raises:
            ValueError: An argument of the other family.
        """
        return self._with_defaults("__call__", self._share("__call__", "argument", arguments), _DEFAULTED)

    def _share(self, method: str, kind: str, given: dict) -> dict:
        own = _taken_by(self.stock, method)
        for name in {**_taken_by(STABLE_DIFFUSION.stock, method), **_taken_by(SDXL.stock, method)}:
            if name not in own and given.get(name) is not None:
                raise ValueError(f"This checkpoint is {self.name}, which has no {kind} `{name}`: leave it out.")
        return {name: value for name, value in given.items() if name in own}

    def _with_defaults(self, method: str, given: dict, names: Iterable[str]) -> dict:
        own = _taken_by(self.stock, method)
        return given | {name: own[name].default for name in names if name in given and given[name] is None}


def _taken_by(stock: type[DiffusionPipeline], method: str) -> dict[str, inspect.Parameter]:
    """The arguments of a stock pipeline's method, but whether it returns a dictionary."""
    parameters = inspect.signature(getattr(stock, method)).parameters
    return {name: parameter for name, parameter in parameters.items() if name not in ("self", "return_dict")}


STABLE_DIFFUSION = Family("Stable Diffusion 1.x or 2.x", StableDiffusionPipeline, unread_layers=0, upcasts_vae=False)
SDXL = Family("SDXL", StableDiffusionXLPipeline, unread_layers=1, upcasts_vae=True)

# What UNets may be conditioned on beside a text, and what the two families have there.
_CONDITIONS = {
    "addition_embed_type": (None, "text_time"),
    "encoder_hid_dim_type": (None, "ip_image_proj"),
    "class_embed_type": (None,),
    "num_class_embeds": (None,),
}


def family_of(unet, text_encoder_2) -> Family:
    """
    The family of a checkpoint, by its UNet if it has one, otherwise by whether there is a second text encoder.

    Raises:
        ValueError: The UNet is of neither family.
    """
    if unet is None:
        return STABLE_DIFFUSION if text_encoder_2 is None else SDXL
    unet = uncompiled(unet)
    if not isinstance(unet, UNet2DConditionModel):
        raise _unsupported(f"a {type(unet).__name__}")
    for name, known in _CONDITIONS.items():
        if (value := unet.config.get(name)) not in known:
            raise _unsupported(f"a UNet that has {name}={value!r}")
    return SDXL if unet.config.addition_embed_type == "text_time" else STABLE_DIFFUSION


def check_index(index: dict) -> None:
    """
    Raises a ValueError if a `model_index.json`, or a pipeline's config, is of another family, before more is loaded.
    """
    library, kind = index.get("unet", ("diffusers", None))
    if "vae" not in index or library == "diffusers" and kind != UNet2DConditionModel.__name__:
        raise _unsupported(f"a checkpoint of {index.get('_class_name')}")


def _unsupported(what: str) -> ValueError:
    return ValueError(
        f"SpaceTimeAttnPipeline cannot draw with {what}: it supports checkpoints of {STABLE_DIFFUSION.name} and"
        f" {SDXL.name}."
    )


def missing_text_parts(components: dict) -> str:
    """
    The text encoders and tokenizers among a pipeline's components that are `None`, and without which no text is
    encoded, as a message names them; "" if there are none. Of a UNet's two pairs the first may be left out as a whole
    (as in SDXL's refiner), and the third text encoder, where there are three.
    """
    pairs = [(f"text_encoder{n}", f"tokenizer{n}") for n in ("", "_2", "_3") if f"text_encoder{n}" in components]
    if len(pairs) == 2 and "unet" in components and not any(components[name] is not None for name in pairs[0]):
        pairs = pairs[1:]
    if len(pairs) == 3 and components["text_encoder_3"] is None:
        pairs = pairs[:2]
    return " and no ".join(f"`{name}`" for pair in pairs for name in pair if components[name] is None)


@contextmanager
def cut_texts_untold(family: Family) -> Iterator[None]:
    """Silences what diffusers and transformers say of texts that are longer than the text encoder reads."""
    cuts = "The following part of your input was truncated", "Token indices sequence length is longer"

    def is_told(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(cuts)

    loggers = [logging.getLogger(name) for name in (family.stock.__module__, "transformers.tokenization_utils_base")]
    for logger in loggers:
        logger.addFilter(is_told)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_told)


@contextmanager
def loading_untold() -> Iterator[None]:
    """Without the bars of transformers, as far as they are not switched off."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


@contextmanager
def text_model_within(text_encoder) -> Iterator[None]:
    """diffusers' `clip_skip` asks for `text_encoder.text_model`, which CLIPTextModel lost in transformers 5."""
    missing = hasattr(text_encoder, "final_layer_norm") and not hasattr(text_encoder, "text_model")
    if missing:
        object.__setattr__(text_encoder, "text_model", text_encoder)  # past nn.Module, which would register a cycle
    try:
        yield
    finally:
        if missing:
            object.__delattr__(text_encoder, "text_model")
