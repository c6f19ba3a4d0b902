"""The two families of checkpoints. What sets them apart stands in diffusers' own pipelines, and is asked of these."""

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers.utils import logging as transformers_logging


# Arguments for which each family has a default of its own.
_DEFAULTED = ("guidance_scale", "crops_coords_top_left", "negative_crops_coords_top_left")


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

    def components(self, given: dict) -> dict:
        """
        The stock pipeline's share of both families' components, by name; `None` where there is none.

        Raises:
            ValueError: A component that this family does not have.
        """
        return self._known(self.stock.__init__, given, "component")

    def settings(self, given: dict) -> dict:
        """
        The stock pipeline's share of what its constructor takes beside components, its own defaults in the place of
        `None`.

        Raises:
            ValueError: A setting that this family does not have.
        """
        settings = self._known(self.stock.__init__, given, "setting")
        defaults = inspect.signature(self.stock.__init__).parameters
        return {name: defaults[name].default if value is None else value for name, value in settings.items()}

    def options(self, arguments: dict) -> dict:
        """
        The stock pipeline's share of a call's arguments, its own defaults in the place of `None` where the families'
        defaults differ.

        Raises:
            ValueError: An argument that this family does not have.
        """
        options = self._known(self.stock.__call__, arguments, "argument")
        defaults = inspect.signature(self.stock.__call__).parameters
        left_open = (name for name in _DEFAULTED if name in options and options[name] is None)
        return options | {name: defaults[name].default for name in left_open}

    def _known(self, function: Callable, given: dict, kind: str) -> dict:
        known = inspect.signature(function).parameters
        for name, value in given.items():
            if name not in known and value is not None:
                raise ValueError(f"This checkpoint is {self.name}, which has no {kind} `{name}`: leave it out.")
        return {name: value for name, value in given.items() if name in known}


STABLE_DIFFUSION = Family("Stable Diffusion 1.x or 2.x", StableDiffusionPipeline, unread_layers=0, upcasts_vae=False)
SDXL = Family("SDXL", StableDiffusionXLPipeline, unread_layers=1, upcasts_vae=True)

# What UNets may be conditioned on beside a text, and what the two families have there.
_CONDITIONS = {
    "addition_embed_type": (None, "text_time"),
    "encoder_hid_dim_type": (None, "ip_image_proj"),
    "class_embed_type": (None,),
    "num_class_embeds": (None,),
}

# What a call of either stock pipeline takes.
STOCK_ARGUMENTS = {
    name
    for family in (STABLE_DIFFUSION, SDXL)
    for name in inspect.signature(family.stock.__call__).parameters
    if name not in ("self", "return_dict")
}


def family_of(components: dict) -> Family:
    """
    The family of a checkpoint, by its UNet if it has one, otherwise by whether there is a second text encoder.

    Raises:
        ValueError: The UNet is of neither family.
    """
    unet = components["unet"]
    if unet is None:
        return STABLE_DIFFUSION if components["text_encoder_2"] is None else SDXL
    unet = getattr(unet, "_orig_mod", unet)  # of a compiled one
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
