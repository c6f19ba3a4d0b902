"""What a picture is made from, as plain data that can go with it: `record_of`, `adapters_of`."""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import torch
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback

from .defaults import Defaults
from .optimizer import WeightOptimizer


IP_ADAPTER = "IP-Adapter"  # by which a making names it, beside the LoRAs
_MOST_KEPT = 2**14  # of a tensor that is kept one by one
_ONE_TEXT = ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2")
_ADAPTED = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
_PASSED_OVER = ("output_type", "return_dict", "callback", "callback_on_step_end_tensor_inputs")  # of no effect


def record_of(
    pipe, given: dict, defaults: Defaults, optimizer: WeightOptimizer | None = None, noise_of_file: bool = False
) -> dict:
    """
    What a call is given, before it runs. With the layouts and what `adapters_of` tells it is all that makes the same
    pictures again.

    Args:
        pipe: The stock pipeline.
        given (`dict`): All arguments, the stock pipeline's and our own.
        defaults, optimizer: What the call has chosen.
        noise_of_file (`bool`): Whether the pictures begin from the noise in a file of weights.

    Returns:
        `dict`: JSON-ready. `"prompt"`; `"arguments"`, the others of the call; `"seed"`, one for all pictures or a list
        with one for each; `"generator"`, their device; `"weights"`, a number, rows of numbers, or `{"file",
        "sha256"}`, with `"noise": True` where it is the file's; `"optimize_weights"`; `"defaults"`; `"scheduler"`;
        `"model"`; `"dtype"`, `"device"` and `"threads"`, see `place_of`; and `"lost"`, the names of what no text
        holds: embeddings, pictures, generators that were used before. A function that is called at each step is taken
        to watch only.
    """
    kept = dict(given)
    kept |= {name: value[0] for name in _ONE_TEXT if isinstance(value := kept.get(name), list) and len(value) == 1}
    if not isinstance(kept.get("callback_on_step_end"), (PipelineCallback, MultiPipelineCallbacks)):
        kept.pop("callback_on_step_end", None)
    seed, device = _seed_of(kept.pop("generator", None))
    weights = _weights_as_data(given["weights"])
    if noise_of_file and isinstance(weights, dict):
        weights |= {"noise": True}
    kept |= {"seed": seed, "weights": weights, "optimize_weights": optimizer and vars(optimizer)}
    kept |= {"scheduler": {"class": type(pipe.scheduler).__name__, "config": _scheduler_config(pipe.scheduler)}}
    plain = {name: _as_data(value) for name, value in kept.items() if name not in _PASSED_OVER}
    if not isinstance(plain["prompt"], str):
        plain["prompt"] = _Unkept
    lost = [name for name, value in plain.items() if value is _Unkept]
    plain = {name: value for name, value in plain.items() if value is not None and value is not _Unkept}
    return {
        **{name: plain.pop(name, None) for name in ("prompt", "seed", "weights", "optimize_weights", "scheduler")},
        "arguments": plain,
        "generator": device,
        "defaults": asdict(defaults),
        "model": pipe.config.get("_name_or_path"),
        **place_of(pipe),
        "lost": lost,
    }


def place_of(pipe) -> dict[str, str | int | None]:
    """
    Where a stock pipeline draws: the denoiser's `"dtype"`, the `"device"`, and of a CPU the number of `"threads"`, on
    which the last bits depend.
    """
    denoiser, device = pipe.unet if hasattr(pipe, "unet") else pipe.transformer, pipe._execution_device.type
    return {
        "dtype": str(denoiser.dtype).removeprefix("torch."),
        "device": device,
        "threads": torch.get_num_threads() if device == "cpu" else None,
    }


class _Unkept:
    """What no text holds."""


def _as_data(value):
    """The value as JSON has it, `_Unkept` where it has none."""
    if value is None or value is _Unkept or isinstance(value, (str, bool)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else _Unkept
    if isinstance(value, (list, tuple)):
        items = [_as_data(item) for item in value]
        return _Unkept if _Unkept in items else items
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        items = {name: _as_data(item) for name, item in value.items()}
        return _Unkept if _Unkept in items.values() else items
    return _Unkept


def _seed_of(generator) -> tuple[int | list[int] | type | None, str | None]:
    """The seed or seeds of generators that are new, and their device."""
    generators = generator if isinstance(generator, list) else [] if generator is None else [generator]
    if not generators:
        return None, None
    unused = (torch.Generator(one.device).manual_seed(one.initial_seed()) for one in generators)
    if any(not torch.equal(one.get_state(), new.get_state()) for one, new in zip(generators, unused)):
        return _Unkept, None
    seeds = [one.initial_seed() for one in generators]
    return seeds if isinstance(generator, list) else seeds[0], generators[0].device.type


def _weights_as_data(weights):
    """Numbers as they are, a file by its name and hash."""
    if isinstance(weights, (str, os.PathLike)):
        return {"file": Path(weights).name, "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest()}
    if weights is None or isinstance(weights, Real):
        return weights
    try:
        numbers = torch.as_tensor(weights if torch.is_tensor(weights) else np.asarray(weights, dtype=float))
    except (TypeError, ValueError):  # what was loaded from a file, with its noise
        return _Unkept
    return numbers.tolist() if numbers.numel() <= _MOST_KEPT else _Unkept


def _scheduler_config(scheduler) -> dict:
    """What makes a scheduler like it. Infinity, which JSON has not, is the default where it stands."""
    return {
        name: value
        for name, value in scheduler.config.items()
        if not name.startswith("_") and not (isinstance(value, float) and math.isinf(value))
    }


def adapters_of(pipe, layouts: Iterable, with_picture: bool = False) -> dict[str, float | list[float]]:
    """
    The LoRAs that act everywhere or that regions of these layouts name, and the IP-Adapter where one is loaded and has
    something to show, each with its scale. Where layers have several scales it is all of them, in order.

    Args:
        with_picture (`bool`): Whether the call has a picture beside those of regions.
    """
    layouts = list(layouts)
    shows = with_picture or any(region.image for layout in layouts for region in layout)
    named = {name for layout in layouts for region in layout for name in region.adapters or ()}
    models = (model for name in _ADAPTED if (model := getattr(pipe, name, None)) is not None)
    found: dict[str, dict[float, None]] = {}
    for layer in (module for model in models for module in model.modules()):
        for name, scale in _scales_in(layer, named, shows):
            found.setdefault(name, {})[round(scale, 6)] = None
    return {name: scales[0] if len(scales := list(kept)) == 1 else scales for name, kept in found.items()}


def _scales_in(layer: torch.nn.Module, named: set[str], shows: bool) -> Iterator[tuple[str, float]]:
    """What `adapters_of` tells of one layer."""
    if hasattr(layer, "lora_A") and not layer.disable_adapters:
        for name in layer.scaling:
            if name in named or name in layer.active_adapters:
                yield name, layer.scaling[name] * layer.r[name] / layer.lora_alpha[name]
    elif shows and hasattr(layer, "to_k_ip") and isinstance(layer.scale, list):
        for scale in layer.scale:
            yield from ((IP_ADAPTER, one) for one in (scale if isinstance(scale, list) else [scale]))
