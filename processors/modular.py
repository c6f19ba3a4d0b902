"""The denoisers of diffusers' modular pipelines, whose steps evaluate the prompt and the negative prompt in turn."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from diffusers import BaseGuidance
from diffusers.modular_pipelines import (
    LoopSequentialPipelineBlocks,
    ModularPipeline,
    ModularPipelineBlocks,
    PipelineState,
)
from diffusers.modular_pipelines.flux.denoise import FluxDenoiseStep
from diffusers.modular_pipelines.flux.encoders import FluxTextEncoderStep
from diffusers.modular_pipelines.stable_diffusion_3.denoise import StableDiffusion3DenoiseStep
from diffusers.modular_pipelines.stable_diffusion_3.encoders import StableDiffusion3TextEncoderStep
from diffusers.modular_pipelines.stable_diffusion_xl.denoise import StableDiffusionXLDenoiseStep
from diffusers.modular_pipelines.stable_diffusion_xl.encoders import StableDiffusionXLTextEncoderStep

from .control import Evaluation
from .flux import FluxDenoiser
from .sd3 import SD3Denoiser
from .steps import StepClock
from .unet import UNetDenoiser


class ModularDenoiser:
    """
    What a modular pipeline changes in a family's denoiser, for one run; it stands before that among the bases.

    Args:
        pipe ([`ModularPipeline`]): With the family's denoiser, scheduler and text encoders.
        state ([`PipelineState`]): Of the run, as the denoising step finds it.

    Raises:
        ValueError: The pipeline's guider changes the model in some of the evaluations.
    """

    denoise_step: type[LoopSequentialPipelineBlocks]  # of diffusers, for text to image
    text_step: type[ModularPipelineBlocks]  # encodes the family's texts
    in_halves = False
    takes_adapters = False  # for other blocks than these encode the prompt
    guided_by = "a `negative_prompt` of the picture, and a guider that evaluates it"

    def __init__(self, pipe: ModularPipeline, state: PipelineState):
        super().__init__(pipe)
        guider = getattr(pipe, "guider", None)
        if guider is not None and type(guider).prepare_models is not BaseGuidance.prepare_models:
            raise ValueError(
                f"Regions do not go together with {type(guider).__name__}, which changes the model in some of its"
                " evaluations: set another guider, such as ClassifierFreeGuidance."
            )
        self._negative: torch.Tensor | None = state.get("negative_prompt_embeds")
        self._guided = guider is not None and self._negative is not None and _takes_two(guider, state)

    @property
    def guided(self) -> bool:
        """Whether any step of the run evaluates the negative prompt."""
        return self._guided

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """See [`Denoiser.evaluation`]."""
        passes = "unconditional" if arguments["encoder_hidden_states"] is self._negative else "conditional"
        return replace(super().evaluation(arguments), passes=passes)

    def encode(
        self,
        texts: list[str],
        negative_texts: list[str] | None,
        settings: Mapping[str, Any],
        max_sequence_length: int | None,
    ) -> tuple[torch.Tensor | None, ...]:
        """See [`Denoiser.encode`]; the settings are further inputs of the text step."""
        settings = {**settings}
        if "max_sequence_length" in settings:
            settings["max_sequence_length"] = self.local_length(max_sequence_length, settings["max_sequence_length"])
        negatives = None
        if negative_texts is not None:  # for which diffusers does not count `clip_skip`
            negatives = self._encoded(negative_texts, settings | {"clip_skip": None})
        return self._encoded(texts, settings), negatives, None, None

    def _encoded(self, texts: list[str], settings: Mapping[str, Any]) -> torch.Tensor:
        state = PipelineState({**settings, "prompt": texts})
        self.text_step()(self.pipe, state)
        return state.get("prompt_embeds")


class PassClock(StepClock):
    """A clock for steps whose prompt and negative prompt are each evaluated by themselves."""

    def _evaluation(self, scheduler, timestep: torch.Tensor | float) -> int | None:
        self._next = max(self._next - 1, 0)  # the step may be the last one still
        return super()._evaluation(scheduler, timestep)


class ModularXLDenoiser(ModularDenoiser, UNetDenoiser):
    """Of Stable Diffusion XL."""

    denoise_step = StableDiffusionXLDenoiseStep
    text_step = StableDiffusionXLTextEncoderStep
    clock = PassClock


class ModularSD3Denoiser(ModularDenoiser, SD3Denoiser):
    """Of Stable Diffusion 3 and 3.5."""

    denoise_step = StableDiffusion3DenoiseStep
    text_step = StableDiffusion3TextEncoderStep


class ModularFluxDenoiser(ModularDenoiser, FluxDenoiser):
    """Of FLUX.1, whose modular pipeline has no negative prompt."""

    denoise_step = FluxDenoiseStep
    text_step = FluxTextEncoderStep
    guided_by = "it to `FluxPipeline`, inside `spacetime_attention`"


MODULAR_DENOISERS = {  # by the `model_name` of diffusers' blocks
    "stable-diffusion-xl": ModularXLDenoiser,
    "stable-diffusion-3": ModularSD3Denoiser,
    "flux": ModularFluxDenoiser,
}


def _takes_two(guider: BaseGuidance, state: PipelineState) -> bool:
    """Whether a guider takes two conditions in any step of a run; each step sets its state anew."""
    steps = state.get("num_inference_steps")
    for step, timestep in enumerate(state.get("timesteps")):
        guider.set_state(step=step, num_inference_steps=steps, timestep=timestep)
        if guider.num_conditions > 1:
            return True
    return False
