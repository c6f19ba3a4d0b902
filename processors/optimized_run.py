"""The optimisation of weights around a stock pipeline's own sampling."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import nn

from .adjoint import frozen, layer_checkpointing, recomputed_evaluations
from .control import RegionalControl
from .optimizer import OptimizedWeights, WeightOptimizer
from .patch import regional_attention
from .unet import UNetDenoiser


def optimize_run(
    pipe,
    options: dict,
    control: RegionalControl,
    optimizer: WeightOptimizer,
    objective: Callable[[torch.Tensor], torch.Tensor],
    progress_bar,
    upcast_vae: bool = False,
) -> tuple[OptimizedWeights, torch.Tensor]:
    """
    Optimises the noise and the weights of a run of a Stable Diffusion pipeline. The first noise is the one that the
    run would have drawn itself. Where schedulers add more of it, this is in all epochs what they add where noise is
    given as `latents`, for the generators are wound back to where they were each time, also after the last.

    Args:
        pipe ([`StableDiffusionPipeline`] or [`StableDiffusionXLPipeline`]): The stock pipeline.
        options (`dict`): The arguments of its call; `generator` is one or a list of them. With `latents` in it, these
            are the pictures' one noise.
        control ([`RegionalControl`]): With one layout for each picture, and the weights to start from.
        optimizer ([`WeightOptimizer`]): How.
        objective (`Callable`): Images (pictures, 3, height, width) in 0..1 to distances (pictures,).
        progress_bar: A tqdm bar, which counts evaluations of the UNet and shows the mean distance.
        upcast_vae (`bool`): Whether a VAE in float16 whose config says `force_upcast` decodes in float32.

    Returns:
        [`OptimizedWeights`], on the CPU, and the noise that it chose, to be passed as `latents`.

    Raises:
        torch.OutOfMemoryError: Says what lowers the need for memory.
    """
    generators = options["generator"] if isinstance(options["generator"], list) else [options["generator"]]
    states = [generator.get_state() for generator in generators]
    noises = _noises(pipe, options, optimizer.num_noises)
    options = options | {"callback_on_step_end": _without_gradients(options["callback_on_step_end"])}
    interrupted, tried = False, 0
    sample = type(pipe).__call__.__wrapped__  # the stock call without its `torch.no_grad`

    def rewind() -> None:
        for generator, state in zip(generators, states):
            generator.set_state(state)

    def choose(noise: torch.Tensor) -> torch.Tensor:
        pictures = torch.arange(noises.shape[1], device=noises.device)
        return noises[noise.to(noises.device), pictures]

    def draw(weights: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        nonlocal interrupted
        rewind()
        control.weights = weights
        changes = {"latents": choose(noise), "output_type": "latent", "return_dict": True}
        images = sample(pipe, **options | changes).images
        interrupted = interrupted or pipe.interrupt
        return images

    def report(distances: torch.Tensor) -> bool:
        nonlocal tried
        tried += 1
        progress_bar.set_postfix(epoch=f"{tried}/{optimizer.epochs}", loss=f"{distances.mean():.4f}")
        return interrupted

    modules = [part for part in pipe.components.values() if isinstance(part, nn.Module)]
    with ExitStack() as stack:
        stack.callback(rewind)
        for context in (
            _explained_memory(),
            regional_attention(UNetDenoiser(pipe), control),  # first, for it may wait for another thread's
            _scratch_scheduler(pipe),
            _upcast(pipe.vae, upcast_vae),
            frozen(modules),
            layer_checkpointing(pipe.vae),
            recomputed_evaluations(
                pipe.unet, control, optimizer.recompute_layers, optimizer.detach_latents, progress_bar.update
            ),
            torch.enable_grad(),
        ):
            stack.enter_context(context)
        found = optimizer.minimise(
            control.weights, control.object_owners, control.blend, draw, partial(decode, pipe.vae), objective, report
        )
    return found, choose(found.noise)


def _without_gradients(callback: Callable | None) -> Callable | None:
    """The callback of a run that is differentiated: it sees detached tensors; what it keeps goes on as it was."""
    if not callback:
        return None

    @torch.no_grad()
    def call(pipe, step: int, timestep, given: dict) -> dict:
        shown = {name: value.detach() if torch.is_tensor(value) else value for name, value in given.items()}
        returned = callback(pipe, step, timestep, shown)
        return {name: given[name] if value is shown.get(name) else value for name, value in returned.items()}

    return call


def decode(vae: nn.Module, latents: torch.Tensor) -> torch.Tensor:
    """Latents of shape (pictures, channels, height, width) as images in 0..1, differentiable."""
    latents = latents.to(vae.dtype) / vae.config.scaling_factor
    mean, std = (vae.config.get(f"latents_{name}") for name in ("mean", "std"))
    if mean is not None and std is not None:
        latents = latents * latents.new_tensor(std)[:, None, None] + latents.new_tensor(mean)[:, None, None]
    images = vae.decode(latents, return_dict=False)[0]
    return (images / 2 + 0.5).clamp(0, 1)


def _noises(pipe, options: dict, count: int) -> torch.Tensor:
    """Noise for all pictures, so many times: shape (count, pictures, channels, rows, columns)."""
    if options["latents"] is not None:
        return options["latents"][None]
    shape, device = noise_shape(pipe, options), pipe._execution_device
    return torch.stack([randn_tensor(shape, options["generator"], device, pipe.unet.dtype) for _ in range(count)])


def noise_shape(pipe, options: dict) -> tuple[int, int, int, int]:
    """(pictures, channels, rows, columns) of the noise that a call starts from."""
    prompts = options["prompt"] if options["prompt"] is not None else options["prompt_embeds"]
    return (
        (1 if isinstance(prompts, str) else len(prompts)) * options["num_images_per_prompt"],
        pipe.unet.config.in_channels,
        options["height"] // pipe.vae_scale_factor,
        options["width"] // pipe.vae_scale_factor,
    )


def check_differentiable(scheduler) -> None:
    """
    Raises:
        ValueError: The scheduler's steps do not pass on gradients of the model's output, or draw noise that is another
            one in every run.
    """
    if scheduler.config.get("noise_sampler_seed", 0) is None:
        raise ValueError(
            f"Weights cannot be optimised with {type(scheduler).__name__} while every run of it draws other noise."
            f" Give it a seed: {type(scheduler).__name__}.from_config(pipe.scheduler.config, noise_sampler_seed=0)."
        )
    scheduler = copy.deepcopy(scheduler)
    scheduler.set_timesteps(4)
    sample, output = torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2, requires_grad=True)
    scheduler.scale_model_input(sample, scheduler.timesteps[0])
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        stepped = scheduler.step(output, scheduler.timesteps[0], sample, return_dict=False)[0]
    if not stepped.requires_grad:
        raise ValueError(
            f"Weights cannot be optimised with {type(scheduler).__name__}, whose steps are not differentiable. Take"
            " another scheduler, for example DDIMScheduler.from_config(pipe.scheduler.config)."
        )


@contextmanager
def _scratch_scheduler(pipe) -> Iterator[None]:
    """Another scheduler of the same kind: schedulers remember outputs, and with these whole graphs."""
    scheduler = pipe.scheduler
    pipe.scheduler = copy.deepcopy(scheduler)
    try:
        yield
    finally:
        pipe.scheduler = scheduler


@contextmanager
def _upcast(vae: nn.Module, allowed: bool) -> Iterator[None]:
    """The VAE in float32 where it would overflow in float16; also on the way back, when its layers are recomputed."""
    overflows = allowed and vae.dtype == torch.float16 and vae.config.get("force_upcast", False)
    try:
        yield vae.to(torch.float32) if overflows else None
    finally:
        if overflows:
            vae.to(torch.float16)


@contextmanager
def _explained_memory() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise torch.OutOfMemoryError(
            f"{error}\nThe optimisation of weights needs less memory with WeightOptimizer(recompute_layers=True), in"
            " half precision, with fewer pictures in a call, or with a smaller height and width."
        ) from error
