"""
What optimising weights costs in memory and time, with random weights in the shapes of Stable Diffusion 1.5 or XL:

    python examples/optimizer_cost.py                      # a GPU, or a CPU with 16 GB and some patience
    python examples/optimizer_cost.py --size 128 --dtype float32
    python examples/optimizer_cost.py --model sdxl

Memory is the most that tensors take at once while two pictures are tried with a gradient in between, models
included: on a GPU what torch allocated, elsewhere the sum over living tensors. Time is that of a gradient through all
steps (and, apart from it, through VAE and CLIP) over that of plain sampling, run in turns.
"""

import argparse
import statistics
import weakref
from functools import partial

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer
from spacetime_attn.examples.models_of_size import SIZES, clip_b32, letters, sd15, sdxl
from spacetime_attn.examples.speed import seconds
from spacetime_attn.processors.adjoint import frozen, layer_checkpointing, pull_back, recomputed_evaluations
from spacetime_attn.processors.clip_objective import ClipObjective, ImageTextModel
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.optimized_run import decode
from spacetime_attn.processors.optimizer import distances_and_gradient
from spacetime_attn.processors.patch import regional_attention
from spacetime_attn.processors.unet import UNetDenoiser


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout((Region("a red cat", box=(0.05, 0.3, 0.45, 0.7)), Region("a green bus", box=(0.55, 0.3, 0.95, 0.7))))
GB = 1e9


class LivingTensors(TorchDispatchMode):
    """Adds up the storages of tensors that operations make, for as long as these live."""

    def __init__(self):
        super().__init__()
        self.bytes = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for tensor in _tensors((args, kwargs)):
            self._add(tensor, 0)  # such as weights, which were there before
        result = function(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            self._add(tensor, tensor.untyped_storage().nbytes())
        return result

    def _add(self, tensor: torch.Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self.bytes += size
            self.peak = max(self.peak, self.bytes)
            weakref.finalize(storage, self._remove, storage._cdata, size)

    def _remove(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.bytes -= size


def _tensors(tree) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if torch.is_tensor(leaf)]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", choices=list(SIZES), default="sd15", help="whose shapes (default: %(default)s)")
    add("--size", type=int, help="pixels a side (default: 512, or 1024 for Stable Diffusion XL)")
    add("--steps", type=int, nargs="+", default=[2, 4], help="of the runs whose memory is compared (default: 2 4)")
    add("--repeats", type=int, default=3, help="pairs of timed runs (default: %(default)s)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    add("--dtype", choices=["float32", "float16", "bfloat16"], default="bfloat16", help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.size = arguments.size or SIZES[arguments.model]
    dtype, device = getattr(torch, arguments.dtype), torch.device(arguments.device)
    torch.manual_seed(0)
    stock = {"sd15": sd15, "sdxl": sdxl}[arguments.model](dtype)
    pipe = SpaceTimeAttnPipeline.from_pipe(stock, torch_dtype=dtype).to(device)
    pipe.set_progress_bar_config(disable=True)
    clip = ImageTextModel(clip_b32().to(device), letters())
    models = [*_models(pipe), clip.model]
    weights = sum(x.numel() * x.element_size() for model in models for x in [*model.parameters(), *model.buffers()])
    latent = 4 * (arguments.size // 8) ** 2 * torch.finfo(dtype).bits // 8
    print(f"{arguments.size} x {arguments.size}, {arguments.dtype}, {device}; models: {weights / GB:.2f} GB")

    for recompute_layers in (True, False):
        optimizer = WeightOptimizer(epochs=2, noises=1, clip=clip, recompute_layers=recompute_layers)
        peaks = {steps: weights + peak(pipe, optimizer, steps, arguments.size) for steps in arguments.steps}
        (fewer, low), (more, high) = min(peaks.items()), max(peaks.items())
        growth = (high - low) / (more - fewer) / latent
        print(f"\nrecompute_layers={recompute_layers}")
        print(f"  memory: {', '.join(f'{value / GB:.2f} GB at {steps} steps' for steps, value in peaks.items())}")
        print(
            f"  growth: {growth:.2f} latents a step; at 50 steps {(high + (50 - more) * growth * latent) / GB:.2f} GB"
        )
        print(f"  time: {time_ratio(pipe, optimizer, arguments)}")


def peak(pipe, optimizer: WeightOptimizer, steps: int, size: int) -> int:
    """The most bytes that living tensors take beyond the models."""
    options = {"layout": LAYOUT, "num_inference_steps": steps, "height": size, "width": size, "output_type": "pt"}
    if pipe.device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        pipe(PROMPT, optimize_weights=optimizer, generator=torch.Generator().manual_seed(0), **options)
        return torch.cuda.max_memory_allocated() - before
    with LivingTensors() as tensors:
        pipe(PROMPT, optimize_weights=optimizer, generator=torch.Generator().manual_seed(0), **options)
    return tensors.peak


def time_ratio(pipe, optimizer: WeightOptimizer, arguments: argparse.Namespace) -> str:
    """An epoch of 50 steps over plain sampling in 50 steps, from runs of a few steps."""
    latents = torch.randn(1, 4, arguments.size // 8, arguments.size // 8, device=pipe.device, dtype=pipe.dtype)
    steps = min(arguments.steps)
    control = _control(pipe, steps)
    windows = [region.bounds for region in LAYOUT.regions]
    objective = ClipObjective(
        optimizer.clip, [PROMPT], LAYOUT.phrases, control.owners, windows, optimizer.local_factor
    )
    options = {
        "prompt": PROMPT,
        "num_inference_steps": steps,
        "height": arguments.size,
        "width": arguments.size,
        "latents": latents,
        "output_type": "latent",
    }
    pipe.scheduler.set_timesteps(steps)
    whole = (50 + len(pipe.scheduler.timesteps) - steps) / len(pipe.scheduler.timesteps)  # PLMS takes one more

    def plain() -> None:
        pipe.stock(**options)

    def epoch() -> None:
        with (
            frozen(_models(pipe)),
            regional_attention(UNetDenoiser(pipe.stock), control),
            recomputed_evaluations(pipe.unet, control, optimizer.recompute_layers),
        ):
            drawn = type(pipe.stock).__call__.__wrapped__(pipe.stock, **options).images
            pull_back(drawn, [control.weights], torch.randn_like(drawn))
        pipe.scheduler.set_timesteps(steps)  # forgets the graph

    @torch.no_grad()
    def plain_decoding() -> None:
        decode(pipe.vae, latents)

    def decoding() -> None:
        with frozen([pipe.vae, optimizer.clip.model]), layer_checkpointing(pipe.vae):
            distances_and_gradient(latents, partial(decode, pipe.vae), objective)

    ratios = []
    for _ in range(arguments.repeats):
        times = {run: seconds(run, pipe.device) for run in (plain, epoch, plain_decoding, decoding)}
        ratios.append((times[epoch] * whole + times[decoding]) / (times[plain] * whole + times[plain_decoding]))
    return f"{statistics.median(ratios):.2f} times plain sampling ({min(ratios):.2f} to {max(ratios):.2f})"


def _models(pipe) -> list[torch.nn.Module]:
    return [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]


def _control(pipe, steps: int) -> RegionalControl:
    weights = torch.full((len(LAYOUT), steps), 2.5, requires_grad=True)
    contexts = torch.randn(len(LAYOUT), 77, pipe.unet.config.cross_attention_dim, device=pipe.device, dtype=pipe.dtype)
    return RegionalControl(
        contexts, [0] * len(LAYOUT), 1, lambda *size: torch.from_numpy(LAYOUT.masks(*size)), weights
    )


if __name__ == "__main__":
    main()
