"""What the families with transformers have in common for regional control: `Denoiser`, and what its runs encode."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from .control import Evaluation, RegionalControl
from .steps import StepClock
from .unet import UNetDenoiser, under_guidance


class EncodedTexts:
    """
    How the runs of a pipeline encode their texts.

    Attributes:
        calls (`list[tuple[dict, tuple]]`): Arguments and results of the last two calls of its `encode_prompt`.
    """

    def __init__(self):
        self.calls: list[tuple[dict[str, Any], tuple]] = []

    def add(self, arguments: dict[str, Any], results: tuple) -> None:
        """Notes a call."""
        self.calls = [*self.calls[-1:], (arguments, results)]

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers and switches among the last call's arguments, which other texts of the run shall have, too."""
        arguments = self.calls[-1][0] if self.calls else {}
        plain = {name: value for name, value in arguments.items() if isinstance(value, (bool, int, float))}
        own = ("num_images_per_prompt", "do_classifier_free_guidance")
        return {name: value for name, value in plain.items() if name not in own}


class Denoiser:
    """
    The model of a pipeline that is evaluated in each step, as regional control sees it; one class for each family, in
    a file of its own. [`UNetDenoiser`] is one without this base, for all that it does not override here is its own.

    Args:
        pipe: The pipeline.
        texts ([`EncodedTexts`], *optional*): What its runs encode.
    """

    kind: str  # what messages call the family
    component = "transformer"  # of the pipeline
    models: tuple[type[nn.Module], ...]  # of which it may be
    in_halves = True  # whether an evaluation under guidance is [unconditional, conditional]
    guided_by = UNetDenoiser.guided_by
    clock: type = StepClock  # of its evaluations
    needs: tuple[str, ...] = ()  # of the pipeline's attributes
    takes_adapters = False  # whether LoRA adapters can act in regions
    preset = "early"  # of checkpoints without defaults: what does better on the one small model that was measured

    def __init__(self, pipe, texts: EncodedTexts | None = None):
        self.pipe = pipe
        self.texts = texts or EncodedTexts()
        self.encode_prompt = getattr(pipe, "encode_prompt", None)  # as it is before anybody listens
        self._timesteps: torch.Tensor | None = None  # of the run

    @property
    def model(self) -> nn.Module:
        """The model itself, compiled or not."""
        return getattr(self.pipe, self.component)

    @property
    def guided(self) -> bool:
        """Whether the run is under classifier-free guidance."""
        return under_guidance(self.pipe)

    def begins(self) -> bool:
        """Whether an evaluation is the first of a run, which has timesteps of its own; to be asked once in each."""
        before, self._timesteps = self._timesteps, self.pipe.scheduler.timesteps
        return self._timesteps is not before

    def layers(self, contexts: torch.Tensor) -> list[nn.Module]:
        """
        The attention layers to control.

        Args:
            contexts (`torch.Tensor` of shape (E, tokens, channels)): What they will be given as local texts.

        Raises:
            ValueError, TypeError: Nothing in it can be controlled.
        """
        raise NotImplementedError

    def self_attention_layers(self) -> list[nn.Module]:
        """
        The layers in which the places of a picture attend to each other, and to nothing else.

        Raises:
            ValueError: The family has none.
        """
        raise ValueError(
            f"`separation_strength` acts in self-attention, and {type(self.pipe).__name__} has joint attention of"
            " picture and text: set it to 0."
        )

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """What one evaluation is about, by the arguments of the model's `forward`."""
        raise NotImplementedError

    def regional(self, plain: Callable, control: RegionalControl) -> Callable:
        """What a layer does under control; it is called as the layer's own `plain` forward, with the layer first."""
        raise NotImplementedError

    def prepare(self, control: RegionalControl, evaluation: Evaluation) -> None:
        """Prepares or refuses an evaluation, after the control has been prepared for it; this is never compiled."""

    def first_block(self) -> nn.Module:
        """The block before which local texts join."""
        return self.model.transformer_blocks[0]

    def join(self, control: RegionalControl, arguments: dict[str, Any]) -> dict[str, Any]:
        """What the first block is given in the place of its arguments, where the control acts."""
        return arguments

    def encode(
        self,
        texts: list[str],
        negative_texts: list[str] | None,
        settings: Mapping[str, Any],
        max_sequence_length: int | None,
    ) -> tuple[torch.Tensor | None, ...]:
        """
        Encodes local descriptions, and as many negative prompts where there are any.

        Args:
            settings (`Mapping[str, Any]`): What else `encode_prompt` is given in this run.
            max_sequence_length (`int`, *optional*): Of these texts alone, where the family has a choice.

        Returns:
            `tuple` of contexts and negatives, of shape (texts, tokens, channels), and of their masks, of shape (texts,
            tokens); each may be `None` but the first.
        """
        raise NotImplementedError

    def check_run(self, control: RegionalControl) -> None:
        """Raises a ValueError if a run that begins, in which something is to act, cannot be controlled."""
        registries = [getattr(module, "_diffusers_hook", None) for module in self.model.modules()]
        hooks = {name: hook for registry in registries if registry for name, hook in registry.hooks.items()}
        if caches := [name for name, hook in hooks.items() if hook._is_stateful]:
            way = f"`{self.component}.disable_cache()`"
            if not getattr(self.model, "is_cache_enabled", False):  # a function has put it there
                registry = f"HookRegistry.check_if_exists_or_initialize(pipe.{self.component})"
                way = f"`diffusers.hooks.{registry}.remove_hook(name)` for each name of {caches}"
            raise ValueError(
                f"Regions do not go together with what diffusers caches from step to step: take it out by {way}."
            )


def check_takes(denoiser: Denoiser | UNetDenoiser, layouts: Sequence) -> None:
    """Raises a ValueError if regions have adapters or pictures, and nothing of that kind can act in this model."""
    ways = {"adapters": "let them act everywhere, without naming them", "image": "leave it out of the layout"}
    for region in () if denoiser.takes_adapters else (region for layout in layouts for region in layout):
        for name, way in ways.items():
            if getattr(region, name):
                raise ValueError(
                    f"`{name}` of {region.phrase!r} acts in a region only with {UNetDenoiser.kind}, in one picture at"
                    f" a time, and not with {type(denoiser.pipe).__name__}: {way}."
                )
