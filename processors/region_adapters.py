"""LoRA adapters that act in regions: `RegionAdapters`, and what the layers that hold such adapters add there."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import nn

from .replaced import replaced_method, uncompiled


ADAPTER_LAYERS = ("all", "cross_attention")


@dataclass(frozen=True)
class RegionAdapters:
    """
    The LoRA adapters that the objects of a run name.

    Args:
        strengths (`tuple[dict[str, float], ...]` of length E): Those of each object by name; each is a factor on the
            scale that the adapter has in the model.
        layers (`str`): Where they act: in `"all"` of their layers, or in those of `"cross_attention"` alone.
    """

    strengths: tuple[dict[str, float], ...]
    layers: str = "all"

    @property
    def names(self) -> frozenset[str]:
        """All that any object names: outside of its regions these are silent."""
        return frozenset().union(*self.strengths)


@dataclass(frozen=True)
class AdapterStep:
    """
    What region adapters do at one evaluation, in its rows [unconditional, conditional], or in those of one pass.

    Args:
        strengths (`tuple[dict[str, float], ...]` of length E): The adapters that act, of each object.
        rows (`list[int]` of length R): A row with the text of its prompt for each pass, each object with adapters and
            each picture of that prompt.
        adapters (`tuple[dict[str, float], ...]` of length R): The objects' adapters.
        places (`dict[int, Placement]`): By a layer's tokens, the object's share in all flattened queries of that pass,
            0..1, with an index (R, Q).
        amounts (`dict[int, dict[str, torch.Tensor]]`): By a layer's tokens and by name, how strongly each adapter acts
            on the picture's tokens, of shape (images, tokens).
    """

    strengths: tuple[dict[str, float], ...]
    rows: list[int]
    adapters: tuple[dict[str, float], ...]
    places: dict[int, Any]
    amounts: dict[int, dict[str, torch.Tensor]]


def of_layer(parts: Mapping[int, Any], tokens: int) -> Any:
    """
    What belongs to layers with so many tokens of each picture.

    Raises:
        ValueError: No layer is to have so many.
    """
    if tokens not in parts:
        raise ValueError(
            f"A layer has {tokens} tokens of each picture, and none of this denoiser has other than"
            f" {', '.join(map(str, parts))}: what merges or splits tokens does not go together with regions."
        )
    return parts[tokens]


def adapter_amounts(
    strengths: Sequence[Mapping[str, float]], index: torch.Tensor, shares: torch.Tensor, shape: tuple[int, int]
) -> dict[str, torch.Tensor]:
    """
    How strongly each adapter acts on every token of a layer: over the objects that name it, the sum of strength times
    share, of `shape` (images, tokens).

    Args:
        strengths (`Sequence[Mapping[str, float]]` of length E): The objects' adapters.
        index, shares (`torch.Tensor` of shape (E, Q)): Which tokens of the flattened images each object has, and how
            much of them, as a [`Placement`] has it.
    """
    amounts = {}
    for name in dict.fromkeys(name for names in strengths for name in names):
        own = [number for number, names in enumerate(strengths) if name in names]
        factors = shares.new_tensor([strengths[number][name] for number in own])[:, None]
        total = shares.new_zeros(shape).flatten()
        amounts[name] = total.index_add(0, index[own].flatten(), (factors * shares[own]).flatten()).view(shape)
    return amounts


def adapter_forwards(unet: nn.Module, control, acts: Callable[[], bool]) -> Iterator[tuple[nn.Module, Callable]]:
    """
    What takes the place of `forward` in each layer that holds an adapter which a region names. The others act as
    before. These add at each place of the picture what the adapter makes of it, times its amount there; where the
    keys and values of texts come from, what the [`RegionalControl`] says of each text.

    Args:
        unet (`UNet2DConditionModel`): The model.
        control ([`RegionalControl`]): Its `adapters` at the beginning tell what is named, its `adapting` what acts.
        acts (`Callable[[], bool]`): Whether the evaluation at hand is one of the control's.
    """
    names = control.adapter_names
    for place, layer in _holding(unet, names):
        reads_text, in_cross_attention = _role(unet, place)
        silent = control.adapters.layers == "cross_attention" and not in_cross_attention
        yield layer, _adapted_forward(layer, names, control, acts, reads_text, silent)


def _adapted_forward(
    layer: nn.Module, named: frozenset[str], control, acts: Callable[[], bool], reads_text: bool, silent: bool
) -> Callable:
    plain = layer.forward

    def text_amounts(_) -> dict[str, torch.Tensor]:
        texts = control.thread.reading or ()
        names = dict.fromkeys(name for adapters in texts for name in adapters)
        return {name: torch.tensor([adapters.get(name, 0.0) for adapters in texts])[:, None] for name in names}

    def place_amounts(output: torch.Tensor) -> dict[str, torch.Tensor]:
        tokens = output.shape[2:].numel() if output.ndim == 4 else output.shape[1]
        return {} if control.adapting is None else of_layer(control.adapting.amounts, tokens)

    amounts_for = text_amounts if reads_text else place_amounts

    def forward(x: torch.Tensor, *args, **options) -> torch.Tensor:
        if layer.merged and acts():
            raise ValueError("LoRA that regions name is fused into the model: call `unfuse_lora()`.")
        if layer.disable_adapters or not acts():
            return plain(x, *args, **options)
        others = copy.copy(layer)  # shares all but which adapters are active
        others._active_adapter = [name for name in layer.active_adapters if name not in named]
        output = type(layer).forward(others, x, *args, **options)
        for name, amount in {} if silent else amounts_for(output).items():
            if name in layer.lora_A:
                output = output + _low_rank(layer, name, x, amount).to(output.dtype)
        return output

    return forward


def _low_rank(layer: nn.Module, name: str, x: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """An adapter's output, (rows, tokens, channels) or (rows, channels, height, width), times amounts (images, tokens)
    or (rows, 1); it is weighted where it is narrow."""
    down, up = layer.lora_A[name], layer.lora_B[name]
    narrow = down(x.to(down.weight.dtype))
    amount = amount.to(narrow) * layer.scaling[name]
    amount = amount.repeat(len(narrow) // len(amount), 1)
    shaped = amount.view(len(amount), 1, *narrow.shape[2:]) if narrow.ndim == 4 else amount[..., None]
    return up(narrow * shaped)


def _holding(model: nn.Module, names: Iterable[str]) -> Iterator[tuple[str, nn.Module]]:
    """The layers of a model that hold adapters of one of these names, each with its own name."""
    for place, layer in model.named_modules():
        if hasattr(layer, "lora_A") and any(name in layer.scaling for name in names):
            yield place, layer


def _parents(unet: nn.Module, place: str) -> list[nn.Module]:
    path = place.split(".")
    return [unet.get_submodule(".".join(path[:end])) for end in range(1, len(path))]


def _role(unet: nn.Module, place: str) -> tuple[bool, bool]:
    """Whether a layer makes keys or values of texts; whether it is part of cross-attention."""
    in_cross_attention = any(isinstance(part, Attention) and part.is_cross_attention for part in _parents(unet, place))
    return in_cross_attention and place.endswith((".to_k", ".to_v")), in_cross_attention


def _has_place(unet: nn.Module, place: str, layer: nn.Module) -> bool:
    """Whether what a layer gives has a place in the picture, or belongs to a text."""
    is_convolution = isinstance(layer.get_base_layer(), nn.Conv2d)
    return is_convolution or any(isinstance(part, Transformer2DModel) for part in _parents(unet, place))


def check_region_adapters(pipe, unet: nn.Module, asked: Mapping[str, str], layers: str) -> None:
    """
    Raises a ValueError if an adapter that a region names cannot act there.

    Args:
        pipe: The pipeline whose text encoders count, too.
        unet: The denoiser, perhaps compiled.
        asked (`Mapping[str, str]`): The adapters by name, each with the phrase of a region that names it.
        layers (`str`): As in [`RegionAdapters`].
    """
    plain_unet = uncompiled(unet)
    parts = [plain_unet, *_text_encoders(pipe)]
    loaded = {name for part in parts for layer in part.modules() if hasattr(layer, "lora_A") for name in layer.scaling}
    for name, phrase in asked.items():
        place = f"`adapters` of {phrase!r} names {name!r}"
        if name not in loaded:
            known = f"loaded are {', '.join(map(repr, sorted(loaded)))}" if loaded else "no LoRA is"
            raise ValueError(f"{place}, which is not loaded; {known}. Call `load_lora_weights`, or leave it out.")
        if unet is not plain_unet or any(module._compiled_call_impl for module in plain_unet.modules()):
            raise ValueError(f"{place}, which does not go together with `torch.compile`: leave the UNet uncompiled.")
        for part in parts:
            for layer_name, layer in _holding(part, [name]):
                if layer.merged:
                    raise ValueError(f"{place}, but LoRA is fused into the model: call `unfuse_lora()`.")
                if layer.disable_adapters:
                    raise ValueError(f"{place}, but LoRA is switched off: call `enable_lora()`.")
                if part is plain_unet and (problem := _problem(plain_unet, layer_name, layer, name, layers)):
                    raise ValueError(f"{place}, which {problem}: let it act everywhere, without naming it.")


def _problem(unet: nn.Module, place: str, layer: nn.Module, name: str, layers: str) -> str | None:
    """What keeps an adapter from acting in regions, if anything."""
    if name in layer.lora_variant:
        return "is no plain LoRA but DoRA or the like, whose effect cannot be confined to a region"
    if name not in layer.lora_A or layer.lora_bias[name]:
        return f"changes more of {place!r} than a product of two matrices can say"
    if layers == "all" and not _has_place(unet, place, layer):
        return f"changes {place!r}, which is the same for the whole picture"
    return None


def _text_encoders(pipe) -> list[nn.Module]:
    parts = (getattr(pipe, name, None) for name in ("text_encoder", "text_encoder_2"))
    return [part for part in parts if part is not None]


def read_by_texts(pipe, names: Iterable[str]) -> set[str]:
    """Those of some adapters that have a text part."""
    held = [layer.scaling for part in _text_encoders(pipe) for _, layer in _holding(part, names)]
    return {name for name in names for scaling in held if name in scaling}


@contextmanager
def text_adapters(pipe, named: Iterable[str], strengths: Mapping[str, float]) -> Iterator[None]:
    """
    While texts are encoded: of the adapters `named`, only those in `strengths` act, each with that factor on its
    scale. Others act as before.
    """
    layers = [layer for part in _text_encoders(pipe) for _, layer in _holding(part, named)]
    before = [(layer, layer.active_adapter, dict(layer.scaling)) for layer in layers]
    try:
        for layer, _, scaling in before:
            own = {name: strength for name, strength in strengths.items() if name in scaling}
            layer._active_adapter = [name for name in layer.active_adapters if name not in named] + list(own)
            layer.scaling.update({name: scaling[name] * strength for name, strength in own.items()})
        yield
    finally:
        for layer, active, scaling in before:
            layer._active_adapter = active
            layer.scaling.update(scaling)


@contextmanager
def encoded_so(pipe, encode: Callable, named: frozenset[str]) -> Iterator[None]:
    """A pipeline whose prompts are encoded so, and without these adapters, for as long as the block runs."""
    if not named and encode == getattr(pipe, "encode_prompt", None):
        yield
        return

    def encode_prompt(*args, **options):
        with text_adapters(pipe, named, {}):
            return encode(*args, **options)

    with replaced_method(pipe, "encode_prompt", encode_prompt):
        yield
