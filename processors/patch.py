"""Puts regional attention into a pipeline's UNet for the length of a `with` block, and takes it out again."""

from collections.abc import Iterator
from contextlib import contextmanager

from .attention import RegionalAttnProcessor
from .control import RegionalControl
from .steps import StepClock


@contextmanager
def regional_attention(pipe, control: RegionalControl) -> Iterator[RegionalControl]:
    """
    Regional attention in every cross-attention layer of `pipe.unet`, at any size, for as long as the block runs.

    Works with any diffusers pipeline that evaluates a `UNet2DConditionModel` once for every timestep of its scheduler
    and keeps the order [unconditional, conditional] under classifier-free guidance: text-to-image, image-to-image,
    inpainting, ControlNet, T2I-Adapter. However the block ends, the processors are the very objects they were.

    Args:
        pipe: The pipeline; its `unet`, `scheduler` and `do_classifier_free_guidance` are read.
        control ([`RegionalControl`]): Contexts, regions and weights.

    Raises:
        ValueError: The UNet is already under regional control, or, in the first evaluation, guided control without
            guidance, or weights of another number of steps than the scheduler's.
    """
    layers = _cross_attention_layers(pipe.unet)
    before = {name: layer.processor for name, layer in layers.items()}
    if any(isinstance(processor, RegionalAttnProcessor) for processor in before.values()):
        raise ValueError("The UNet is already under regional control: end that `with` block before the next.")
    clock = StepClock()

    def begin_evaluation(unet, args, kwargs):
        sample = args[0] if args else kwargs["sample"]
        timestep = args[1] if len(args) > 1 else kwargs["timestep"]
        column, columns, begins = clock.tick(pipe.scheduler, timestep)
        if begins:
            _check_run(control, columns, pipe.do_classifier_free_guidance)
            control.begin_run()
        control.begin_step(column, sample, pipe.do_classifier_free_guidance)

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


def _check_run(control: RegionalControl, columns: int, guided_batch: bool) -> None:
    if control.blend == "guided" and not guided_batch:
        raise ValueError(
            "`blend='guided'` subtracts the unconditional attention, but the run has no classifier-free guidance."
            " Pass blend='convex' or a guidance_scale above 1."
        )
    if control.weights.shape[1] not in (1, columns):
        raise ValueError(
            f"`weights` has {control.weights.shape[1]} columns, but the scheduler takes {columns} steps. Pass one"
            " column for each step."
        )
