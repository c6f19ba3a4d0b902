"""The pipeline that the arguments ask for: `load_pipeline`."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from .. import default_model
from .checkpoints import configs_of, index_of, load_animated, load_whole, load_without_weights


def load_pipeline(args: Namespace, device: str | None = None, adapters=None):
    """
    The pipeline of `--model` with what other options change in it, and with `Adapters`; without a device, for layouts
    alone.
    """
    from ..layout.weighted_text import named_syntax

    settings = {"preset": args.preset, **_predictor(args)}
    model = args.model or default_model()
    if args.prompt_syntax is not None:
        named_syntax(args.prompt_syntax)  # or what it lacks
    configs = configs_of(model)
    if adapters:
        adapters.check(index_of(configs))
    with _quiet_loading():
        if device is None:
            pipe = load_without_weights(configs, **settings)
        else:
            load = partial(load_animated, args.motion_adapter) if args.motion_adapter else load_whole
            pipe = load(model, configs, args.dtype or "float32", **settings).to(device)
        if adapters:
            adapters.load(pipe)
    if args.box_scale is not None:
        if pipe.defaults.region_shape != "box":
            raise ValueError("--box-scale is for boxes, and this checkpoint's regions are discs: add --preset early.")
        pipe.box_scale = args.box_scale
    if args.prompt_syntax is not None:
        if not hasattr(type(pipe), "prompt_syntax"):
            raise ValueError("--prompt-syntax is for Stable Diffusion 1.x, 2.x and XL, not for this checkpoint.")
        pipe.prompt_syntax = args.prompt_syntax
    return pipe


def asked_adapters(args: Namespace):
    """What is to be loaded into the pipeline."""
    from ..adapters import Adapters

    if args.ip_adapter and args.motion_adapter:
        raise ValueError("--ip-adapter is for pictures, --motion-adapter for videos: leave one out.")
    return Adapters.asked(args.lora, args.ip_adapter)


def usable_device(name: str | None) -> str:
    """The device of that name, or without one the fastest that is there."""
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name!r} cannot be used here: {error}") from None
    return name


def model_of(making) -> str:
    """The model that made a picture, where its name says which one that is."""
    from ..pictures import DEFAULT_MODEL

    if making.model == DEFAULT_MODEL:
        return default_model()
    if making.model is None or "/" not in making.model:
        raise ValueError(f"The picture was made with {making.model or 'a model without a name'}: add --model PLACE.")
    return making.model


def _predictor(args: Namespace) -> dict:
    """The settings that decide who places objects. A language model tells at once what it lacks."""
    name, llm = args.layout_predictor, args.llm
    if name == "auto" and llm is None:
        raise ValueError("--layout-predictor auto needs --llm, the model that is asked where the reader is not sure.")
    if name != "llm" and llm is None:
        return {"layout_predictor": name} if name else {}
    if name in ("rules", "transformer"):
        raise ValueError(f"--llm is asked where the reader is not sure: leave --layout-predictor {name} out.")
    from ..layout.llm import LLMLayoutPredictor

    asked = LLMLayoutPredictor() if llm is None else LLMLayoutPredictor(llm)
    return {"layout_predictor": name or "auto", "llm": asked}


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Without the bars of what is loaded; those of what is downloaded stay."""
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    downloads = not are_progress_bars_disabled()
    libraries = [x for x in (diffusers_logging, transformers_logging) if x.is_progress_bar_enabled()]
    for library in libraries:
        library.disable_progress_bar()
    if downloads:
        enable_progress_bars()  # transformers has switched them off with its own
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bar()
