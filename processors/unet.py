"""The UNets of Stable Diffusion 1.x, 2.x, XL and AnimateDiff, as regional control sees them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import Attention

from .attention import RegionalAttnProcessor
from .control import Evaluation, RegionalControl
from .denoiser import Denoiser


class UNetDenoiser(Denoiser):
    """Local texts are further contexts of its cross-attention."""

    kind = "Stable Diffusion 1.x, 2.x and XL"
    component = "unet"
    models = (UNet2DConditionModel, UNetMotionModel)

    def layers(self, contexts: torch.Tensor) -> list[Attention]:
        """See [`Denoiser.layers`]."""
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

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """See [`Denoiser.evaluation`]."""
        return unet_evaluation(arguments["sample"], self.guided, arguments["timestep"])

    def regional(self, plain: Callable, control: RegionalControl) -> Callable:
        """See [`Denoiser.regional`]."""
        return RegionalAttnProcessor(plain, control)

    def encode(
        self,
        texts: list[str],
        negative_texts: list[str] | None,
        settings: Mapping[str, Any],
        max_sequence_length: int | None,
    ) -> tuple[torch.Tensor | None, ...]:
        """See [`Denoiser.encode`]."""
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

    def check_run(self) -> None:
        """See [`Denoiser.check_run`]."""
        if getattr(self.pipe, "do_perturbed_attention_guidance", False):
            raise ValueError(
                "Perturbed-attention guidance adds rows to the batch that cannot be controlled: switch it off."
            )


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
