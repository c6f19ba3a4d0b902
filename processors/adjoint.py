"""Gradients through a whole sampling run in the memory of one UNet evaluation."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from .control import RegionalControl
from .replaced import replaced_method


class _Recomputed(torch.autograd.Function):
    """A function of latents and weights that remembers only these, and computes itself again for its gradients."""

    @staticmethod
    def forward(ctx, evaluate: Callable, latents: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        ctx.evaluate = evaluate
        ctx.save_for_backward(latents, weights)
        return evaluate(latents, weights)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple:
        pairs = list(zip(ctx.saved_tensors, ctx.needs_input_grad[1:]))
        inputs = [saved.detach().requires_grad_() if is_needed else saved for saved, is_needed in pairs]
        with torch.enable_grad():
            output = ctx.evaluate(*inputs)
        gradients = iter(pull_back(output, [x for x, (_, is_needed) in zip(inputs, pairs) if is_needed], gradient))
        return None, *(next(gradients) if is_needed else None for _, is_needed in pairs)


@contextmanager
def recomputed_evaluations(
    unet,
    control: RegionalControl,
    recompute_layers: bool = True,
    detach_latents: bool = False,
    on_evaluation: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """
    Lets a sampling run under `regional_attention` be differentiated with respect to `control.weights`, exactly and for
    any scheduler that is differentiable in the model's output. Of each evaluation of `unet` one latent is kept; the
    rest is computed again on the way back. So autograd walks the run backwards as an adjoint method does, one
    evaluation at a time, and what the scheduler does in between (its history included) is differentiated as it is. The
    gradients have to be taken inside the block, in any thread.

    The UNet has to be called as diffusers' Stable Diffusion pipelines do: the same latents in both halves of a batch
    under classifier-free guidance, and a tuple as the result.

    Args:
        unet (`UNet2DConditionModel`): With frozen parameters.
        control ([`RegionalControl`]): The control in force; its weights may require gradients.
        recompute_layers (`bool`): Whether the layers of the one evaluation are recomputed too (the UNet's own gradient
            checkpointing): less memory, one more forward pass.
        detach_latents (`bool`): Takes each evaluation's latents as given, so that weights are seen to act through
            their own step's output only. Cheaper, and not the gradient.
        on_evaluation (`Callable`): Called after every evaluation, on the way forth and on the way back.
    """
    forward = unet.forward

    def differentiable_forward(sample, timestep, encoder_hidden_states, *further, **options):
        if control.thread.plain or not control.recomputed:
            return forward(sample, timestep, encoder_hidden_states, *further, **options)
        begun, guided_batch, weights = control.begun, control.guided_batch, control.step_weights

        def evaluate(latents, weights):
            if not control.recomputed:
                raise RuntimeError("Gradients have to be taken before the block of `recomputed_evaluations` ends.")
            rows = torch.cat([latents, latents]) if guided_batch else latents
            control.evaluate_again(begun, weights)
            output = forward(rows, timestep, encoder_hidden_states, *further, **options)[0]
            on_evaluation()
            return output

        latents = sample.chunk(2)[1].clone() if guided_batch else sample
        return (_Recomputed.apply(evaluate, latents.detach() if detach_latents else latents, weights),)

    control.recomputed = True
    try:
        with replaced_method(unet, "forward", differentiable_forward), layer_checkpointing(unet, recompute_layers):
            yield
    finally:
        control.recomputed = False


def pull_back(output: torch.Tensor, inputs: list[torch.Tensor], gradient: torch.Tensor) -> list[torch.Tensor]:
    """
    The product of `gradient` and the Jacobian of `output` with respect to each of `inputs`, without underflow or
    overflow where these are in half precision: on the way, the gradient is scaled so that its largest value is 1.

    Args:
        gradient (`torch.Tensor` of the shape of `output`): In any precision.

    Returns:
        `list[torch.Tensor]`: One for each input, of its shape, in float32 or better.
    """
    precise = torch.promote_types(gradient.dtype, torch.float32)
    gradient = gradient.to(precise)
    scale = gradient.abs().amax().clamp(min=torch.finfo(precise).tiny)
    scaled = (gradient / scale).to(output.dtype)
    found = torch.autograd.grad(output, inputs, scaled)
    return [part.to(precise) * scale for part in found]


@contextmanager
def frozen(modules: Iterable[nn.Module]) -> Iterator[None]:
    """No parameter of the modules requires gradients for as long as the block runs."""
    parameters = [weight for module in modules for weight in module.parameters() if weight.requires_grad]
    try:
        for weight in parameters:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in parameters:
            weight.requires_grad_(True)


@contextmanager
def layer_checkpointing(model: nn.Module, enabled: bool = True) -> Iterator[None]:
    """diffusers' gradient checkpointing, on or off for as long as the block runs, and afterwards as it was before."""
    names = ("gradient_checkpointing", "_gradient_checkpointing_func")
    modules = [module for module in model.modules() if hasattr(module, names[0])]
    before = [{name: vars(module)[name] for name in names if name in vars(module)} for module in modules]
    model.enable_gradient_checkpointing() if enabled else model.disable_gradient_checkpointing()
    try:
        yield
    finally:
        for module, state in zip(modules, before):
            for name in names:
                vars(module).pop(name, None)
            vars(module).update(state)
