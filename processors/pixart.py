"""PixArt alpha and sigma, as regional control sees them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import PixArtTransformer2DModel
from diffusers.models.attention_processor import Attention
from torch import nn

from .attention import RegionalAttnProcessor
from .control import Evaluation, RegionalControl
from .denoiser import Denoiser, EncodedTexts


class PixArtDenoiser(Denoiser):
    """Local texts are further contexts of its cross-attention, as in the UNets, and have masks."""

    kind = "PixArt alpha and sigma"
    models = (PixArtTransformer2DModel,)

    def __init__(self, pipe, texts: EncodedTexts | None = None):
        super().__init__(pipe, texts)
        self._guided = False
        self._project: nn.Module | None = None  # the model's own; a compiler must not meet the model itself once more
        self._texts: tuple[torch.Tensor, torch.Tensor | None] | None = None  # as the layers read them
        self._run: int | None = None  # the one that these are of, if they last for it

    @property
    def guided(self) -> bool:
        """By what the texts were encoded for, for the pipeline does not tell otherwise."""
        return self._guided

    def layers(self, contexts: torch.Tensor) -> list[Attention]:
        """See [`Denoiser.layers`]."""
        return [layer for name, layer in self.model.named_modules() if name.endswith(".attn2")]

    def self_attention_layers(self) -> list[Attention]:
        """See [`Denoiser.self_attention_layers`]."""
        return [layer for name, layer in self.model.named_modules() if name.endswith(".attn1")]

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """See [`Denoiser.evaluation`]."""
        if self.begins():
            self._guided = any(arguments["do_classifier_free_guidance"] for arguments, _ in self.texts.calls[-1:])
        latents, patch = arguments["hidden_states"], self.model.config.patch_size
        grid = latents.shape[-2] // patch, latents.shape[-1] // patch
        passes = "both" if self.guided else "conditional"
        return Evaluation(len(latents), (grid,), latents, passes, timestep=arguments["timestep"])

    def regional(self, plain: Callable, control: RegionalControl) -> Callable:
        """See [`Denoiser.regional`]."""
        return RegionalAttnProcessor(plain, control, lambda: self._texts)

    def prepare(self, control: RegionalControl, evaluation: Evaluation) -> None:
        """See [`Denoiser.prepare`]."""
        self._project = self.model.caption_projection

    def join(self, control: RegionalControl, arguments: dict[str, Any]) -> dict[str, Any]:
        """The local texts go through the model's own projection of captions: once a run, unless that is trained."""
        lasting = not torch.compiler.is_compiling() and not torch.is_grad_enabled()
        if not lasting or self._run != control.run:
            project, encoded = self._project, (control.contexts, control.negatives)
            self._texts = tuple(texts if project is None or texts is None else project(texts) for texts in encoded)
            self._run = control.run if lasting else None
        return arguments

    def encode(
        self,
        texts: list[str],
        negative_texts: list[str] | None,
        settings: Mapping[str, Any],
        max_sequence_length: int | None,
    ) -> tuple[torch.Tensor | None, ...]:
        """See [`Denoiser.encode`]."""
        length = {} if max_sequence_length is None else {"max_sequence_length": max_sequence_length}
        contexts, context_masks, negatives, negative_masks = self.encode_prompt(
            texts,
            negative_texts is not None,
            **({} if negative_texts is None else {"negative_prompt": negative_texts}),
            device=self.pipe._execution_device,
            **settings | length,
        )
        return contexts, negatives, context_masks, negative_masks
