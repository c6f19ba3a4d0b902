"""The UNets of Stable Diffusion 1.x, 2.x, XL and AnimateDiff, as regional control sees them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import Attention
from torch import nn

from .attention import RegionalAttnProcessor
from .control import Evaluation, RegionalControl
from .replaced import uncompiled
from .steps import StepClock


class UNetDenoiser:
    """
    The UNet of a pipeline as regional control sees it. Local texts are further contexts of its cross-attention.

    Other families have such a class, too, in files of their own, with [`Denoiser`] for a base.

    Args:
        pipe: The pipeline; its `unet` and `do_classifier_free_guidance` are read.
    """

    kind = "Stable Diffusion 1.x, 2.x and XL"
    component = "unet"
    models = (UNet2DConditionModel, UNetMotionModel)
    in_halves = True
    guided_by = "a `guidance_scale` above 1"  # as messages tell it
    clock = StepClock
    preset = "official"  # of checkpoints without defaults
    needs = ("do_classifier_free_guidance",)  # of the pipeline

    def __init__(self, pipe, texts=None):
        self.pipe = pipe
        self.encode_prompt = getattr(pipe, "encode_prompt", None)

    @property
    def model(self) -> nn.Module:
        """The UNet, compiled or not."""
        return self.pipe.unet

    @property
    def takes_adapters(self) -> bool:
        """Whether LoRA adapters can act in regions: not along the frames of a video."""
        return not isinstance(uncompiled(self.model), UNetMotionModel)

    @property
    def guided(self) -> bool:
        """Whether the run is under classifier-free guidance."""
        return under_guidance(self.pipe)

    def layers(self, contexts: torch.Tensor) -> list[Attention]:
        """
        The cross-attention layers.

        Raises:
            ValueError: There are none, or they are not for texts as wide as the `contexts` (E, tokens, channels).
        """
        named = [module for name, module in self.model.named_modules() if name.endswith("attn2")]
        layers = [layer for layer in named if getattr(layer, "is_cross_attention", False)]  # those along time are not
        pipeline = type(self.pipe).__name__
        if not layers:
            raise ValueError(f"The UNet of {pipeline} has no cross-attention layers to control.")
        width, wanted = contexts.shape[-1], layers[0].cross_attention_dim
        if width != wanted:
            raise ValueError(
                f"{pipeline} cannot be controlled: its texts have {width} channels, the UNet's cross-attention"
                f" {wanted}, and what stands between them is not known."
            )
        return layers

    def self_attention_layers(self) -> list[Attention]:
        """Those among the places of a picture, not along the time of a video."""
        named = [(name, layer) for name, layer in self.model.named_modules() if name.endswith("attn1")]
        return [layer for name, layer in named if not layer.is_cross_attention and "motion_modules" not in name]

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """By the arguments of the UNet's `forward`."""
        return unet_evaluation(arguments["sample"], self.guided, arguments["timestep"])

    def regional(self, plain: Callable, control: RegionalControl) -> Callable:
        """What a layer does under control; it is called as the layer's own `plain` forward, with the layer first."""
        return RegionalAttnProcessor(plain, control)

    def encode(
        self,
        texts: list[str],
        negative_texts: list[str] | None,
        settings: Mapping[str, Any],
        max_sequence_length: int | None,
    ) -> tuple[torch.Tensor | None, ...]:
        """
        Encodes local descriptions, and as many negative prompts where there are any, with what else `encode_prompt` is
        given. Returns contexts and negatives, (texts, tokens, channels), and `None` twice, for there are no masks.
        """
        if max_sequence_length is not None:
            raise ValueError(
                f"`local_max_sequence_length` is {max_sequence_length}, but the text encoders of {self.kind} have one"
                " length for all texts: leave it out."
            )
        contexts, negatives, *_ = self.encode_prompt(
            prompt=texts,
            negative_prompt=negative_texts,
            device=self.pipe._execution_device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=negative_texts is not None,
            **settings,
        )
        return contexts, negatives, None, None

    def prepare(self, control: RegionalControl, evaluation: Evaluation) -> None:
        """All is ready."""

    def first_block(self) -> None:
        """No texts have to join."""

    def check_run(self, control: RegionalControl) -> None:
        """All runs can be controlled."""


def under_guidance(pipe) -> bool:
    """Whether a pipeline's run is under classifier-free guidance. It knows from its last call on."""
    try:
        return pipe.do_classifier_free_guidance
    except AttributeError:
        raise ValueError(
            f"This {type(pipe).__name__} has not been called yet, so it does not know whether your loop is under"
            " classifier-free guidance: set `pipe._guidance_scale` before it."
        ) from None


def unet_evaluation(latents: torch.Tensor, guided: bool, timestep: torch.Tensor | float = 0.0) -> Evaluation:
    """
    Of a UNet on latents of shape (rows, channels, height, width), or of shape (rows, channels, frames, height, width)
    for videos.
    """
    frames = latents.shape[2] if latents.ndim == 5 else 1
    grids = tuple(layer_grids(*latents.shape[-2:]))
    return Evaluation(len(latents) * frames, grids, latents, "both" if guided else "conditional", frames, timestep)


def layer_grids(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The rows and columns of the layers of a UNet on latents of height x width, which halves both, rounding up."""
    yield height, width
    while height * width > 1:
        height, width = (height + 1) // 2, (width + 1) // 2
        yield height, width
