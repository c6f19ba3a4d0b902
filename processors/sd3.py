"""Stable Diffusion 3 and 3.5, as regional control sees them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from diffusers import SD3Transformer2DModel
from diffusers.models.attention_processor import FusedJointAttnProcessor2_0, JointAttnProcessor2_0
from torch import nn

from .calls import arguments_of_call
from .control import Evaluation, RegionalControl
from .joint_attention import JointDenoiser
from .steps import evaluation_columns


class SD3Denoiser(JointDenoiser):
    """The picture's tokens come first. `attn2` of 3.5 medium is the picture's alone and stays."""

    kind = "Stable Diffusion 3 and 3.5"
    models = (SD3Transformer2DModel,)
    processors = (JointAttnProcessor2_0, FusedJointAttnProcessor2_0)
    needs = ("do_classifier_free_guidance",)
    local_sequence_length = 64  # of T5; both CLIPs have their 77 beside it
    _skipped: Sequence[int] | None = None  # blocks in the evaluation under way

    def fused(self, layer: nn.Module) -> bool:
        """See [`JointDenoiser.fused`]. Layers do not forget it when they are taken apart again."""
        return isinstance(layer.processor, FusedJointAttnProcessor2_0)

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """See [`Denoiser.evaluation`]. With `skip_layers` the prompt is evaluated once more, by itself."""
        latents, patch = arguments["hidden_states"], self.model.config.patch_size
        self._skipped = arguments.get("skip_layers")
        grid = latents.shape[-2] // patch, latents.shape[-1] // patch
        passes = "both" if self.guided and self._skipped is None else "conditional"
        return Evaluation(len(latents), (grid,), latents, passes, timestep=arguments["timestep"])

    def check_run(self, control: RegionalControl) -> None:
        """See [`Denoiser.check_run`]. Before the first step it looks at all those of the run that will skip blocks."""
        super().check_run(control)
        call = arguments_of_call(self.pipe)
        if (skipped := call.get("skip_guidance_layers")) is None or not self.guided:
            return
        start, stop = (call["num_inference_steps"] * call[f"skip_layer_guidance_{end}"] for end in ("start", "stop"))
        columns = evaluation_columns(self.pipe.scheduler)
        self._check_skipped(skipped, control, [column for k, column in enumerate(columns) if start < k < stop])

    def prepare(self, control: RegionalControl, evaluation: Evaluation) -> None:
        """See [`Denoiser.prepare`]."""
        if self._skipped is not None:
            self._check_skipped(self._skipped, control, [control.column])
        super().prepare(control, evaluation)

    def _check_skipped(self, skipped: Sequence[int], control: RegionalControl, columns: Iterable[int]) -> None:
        """Raises a ValueError if what acts at these steps does not go together with an evaluation without blocks."""
        if not any(map(control.acts_at, columns)):
            return
        if control.blend == "guided" and self.guided:
            raise ValueError(
                "`blend='guided'` subtracts the unconditional attention, and `skip_guidance_layers` evaluates the"
                " prompt once more without it: pass blend='convex', or leave that out."
            )
        if 0 in skipped:
            raise ValueError(
                "Regions do not go together with `skip_guidance_layers` that name block 0, where their texts join:"
                f" leave it out of {list(skipped)}."
            )

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
