"""Puts regional attention into a pipeline's UNet for the length of a `with` block, and takes it out again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from .attention import RegionalAttnProcessor
from .control import RegionalControl
from .steps import StepClock


@contextmanager
def regional_attention(
    pipe, control: RegionalControl, begin_run: Callable[[bool, int, int], None] | None = None
) -> Iterator[RegionalControl]:
    """
    Regional attention in every cross-attention layer of `pipe.unet`, at any size, for as long as the block runs.

    Works with diffusers pipelines that evaluate a `UNet2DConditionModel` once for every timestep of their scheduler,
    keep the order [unconditional, conditional] under classifier-free guidance and tell of it by the property
    `do_classifier_free_guidance`: text-to-image, image-to-image, inpainting, ControlNet, T2I-Adapter. However the
    block ends, the processors are the very objects they were. One UNet serves one such block at a time, also where
    threads or pipelines share it.

    Args:
        pipe: The pipeline; its `unet`, `scheduler` and `do_classifier_free_guidance` are read.
        control ([`RegionalControl`]): Contexts, regions and weights.
        begin_run (`Callable[[bool, int, int], None]`, *optional*): Called when a run of the pipeline begins, with
            whether it is under guidance, how many steps its scheduler takes and which of them is its first; it may
            change the control's blend and weights.

    Raises:
        ValueError: The UNet is already under regional control or has no cross-attention; in the first evaluation of a
            run also guided control without guidance, or weights of another number of steps than the scheduler's.
        TypeError: A pipeline of another kind.
    """
    check_kind(pipe, "unet", "do_classifier_free_guidance")
    layers = _cross_attention_layers(pipe.unet)
    before = {name: layer.processor for name, layer in layers.items()}
    _check_processors(pipe, before)
    clock = StepClock()

    @torch.compiler.disable  # `unet.compile()` would trace it with the UNet
    def begin_evaluation(unet, args, kwargs):
        sample = args[0] if args else kwargs["sample"]
        timestep = args[1] if len(args) > 1 else kwargs["timestep"]
        guided = pipe.do_classifier_free_guidance
        column, columns, begins = clock.tick(pipe.scheduler, timestep, getattr(pipe, "_num_timesteps", None))
        if begins:
            if begin_run is not None:
                begin_run(guided, columns, column)
            _check_run(pipe, control, columns)
            control.begin_run()
        control.begin_step(column, sample, guided)

    hook = pipe.unet.register_forward_pre_hook(begin_evaluation, with_kwargs=True)
    try:
        for layer in layers.values():
            layer.set_processor(RegionalAttnProcessor(layer.processor, control))
        yield control
    finally:
        hook.remove()
        for name, layer in layers.items():
            layer.set_processor(before[name])


def _cross_attention_layers(unet) -> dict:
    return {name: module for name, module in unet.named_modules() if name.endswith("attn2")}


def check_kind(pipe, *needed: str) -> None:
    """
    Raises:
        TypeError: The pipeline has no attribute or method of one of these names.
    """
    missing = [name for name in needed if not hasattr(pipe, name) and not hasattr(type(pipe), name)]
    if missing:
        raise TypeError(
            f"{type(pipe).__name__} cannot be controlled: it lacks {', '.join(f'`{name}`' for name in missing)}, which"
            " pipelines of Stable Diffusion 1.x, 2.x and XL have."
        )


def _check_processors(pipe, processors: dict) -> None:
    if not processors:
        raise ValueError(f"The UNet of {type(pipe).__name__} has no cross-attention layers to control.")
    if any(isinstance(processor, RegionalAttnProcessor) for processor in processors.values()):
        raise ValueError("The UNet is already under regional control: end that `with` block before the next.")


def _check_run(pipe, control: RegionalControl, columns: int) -> None:
    if getattr(pipe, "do_perturbed_attention_guidance", False):
        raise ValueError(
            "Perturbed-attention guidance adds rows to the batch that cannot be controlled: switch it off."
        )
    if control.blend == "guided" and not pipe.do_classifier_free_guidance:
        raise ValueError(
            "`blend='guided'` subtracts the unconditional attention, but the run has no classifier-free guidance."
            " Pass blend='convex' or a guidance_scale above 1."
        )
    if control.weights.shape[1] not in (1, columns):
        raise ValueError(
            f"`weights` has {control.weights.shape[1]} columns, but the scheduler takes {columns} steps. Pass one"
            " column for each step."
        )
    layers_recomputed = pipe.unet.is_gradient_checkpointing and not control.recomputed
    if layers_recomputed and control.weights.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            "Gradients of the weights over a whole run do not go together with the UNet's gradient checkpointing: what"
            " is recomputed would see the last step's weights. Call `unet.disable_gradient_checkpointing()`."
        )
