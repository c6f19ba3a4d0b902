"""Stable Diffusion 3 and 3.5, as regional control sees them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import SD3Transformer2DModel
from diffusers.models.attention_processor import FusedJointAttnProcessor2_0, JointAttnProcessor2_0
from torch import nn

from .calls import arguments_of_call
from .control import Evaluation, RegionalControl
from .joint_attention import JointDenoiser
from .patch import check_once_more
from .steps import evaluation_columns


class SD3Denoiser(JointDenoiser):
    """The picture's tokens come first. `attn2` of 3.5 medium is the picture's alone and stays."""

    kind = "Stable Diffusion 3 and 3.5"
    models = (SD3Transformer2DModel,)
    processors = (JointAttnProcessor2_0, FusedJointAttnProcessor2_0)
    needs = ("do_classifier_free_guidance",)
    local_sequence_length = 64  # of T5; both CLIPs have their 77 beside it
    _skipped: Sequence[int] = ()  # blocks in the evaluation under way

    def fused(self, layer: nn.Module) -> bool:
        """See [`JointDenoiser.fused`]. Layers do not forget it when they are taken apart again."""
        return isinstance(layer.processor, FusedJointAttnProcessor2_0)

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """See [`Denoiser.evaluation`]. With `skip_layers` the prompt is evaluated once more, by itself."""
        latents, patch = arguments["hidden_states"], self.model.config.patch_size
        self._skipped = arguments.get("skip_layers") or ()
        grid = latents.shape[-2] // patch, latents.shape[-1] // patch
        passes = "both" if self.guided and arguments.get("skip_layers") is None else "conditional"
        return Evaluation(len(latents), (grid,), latents, passes, timestep=arguments["timestep"])

    def check_run(self, control: RegionalControl) -> None:
        """See [`Denoiser.check_run`]. All of the run's steps that will skip layers are looked at before the first."""
        super().check_run(control)
        call = arguments_of_call(self.pipe)
        layers = call.get("skip_guidance_layers")
        if layers is None or not self.guided:
            return
        start, stop = (call["num_inference_steps"] * call[f"skip_layer_guidance_{end}"] for end in ("start", "stop"))
        columns = evaluation_columns(self.pipe.scheduler)
        acting = [column for k, column in enumerate(columns) if start < k < stop and control.acts_at(column)]
        check_once_more(control, acting)
        if acting:
            _check_skipped(layers)

    def prepare(self, control: RegionalControl, evaluation: Evaluation) -> None:
        """See [`Denoiser.prepare`]."""
        _check_skipped(self._skipped)
        super().prepare(control, evaluation)

    def encode(
        self,
        texts: list[str],
        negative_texts: list[str] | None,
        settings: Mapping[str, Any],
        max_sequence_length: int | None,
    ) -> tuple[torch.Tensor | None, ...]:
        """See [`Denoiser.encode`]."""
        length = self.local_length(max_sequence_length, settings.get("max_sequence_length"))
        contexts, negatives, *_ = self.encode_prompt(
            prompt=texts,
            prompt_2=None,
            prompt_3=None,
            negative_prompt=negative_texts,
            device=self.pipe._execution_device,
            do_classifier_free_guidance=negative_texts is not None,
            **settings | {"max_sequence_length": length},
        )
        return contexts, negatives, None, None


def _check_skipped(layers: Sequence[int]) -> None:
    if 0 in layers:
        raise ValueError(
            "Regions do not go together with `skip_guidance_layers` that name block 0, where their texts join: leave"
            f" it out of {list(layers)}."
        )
