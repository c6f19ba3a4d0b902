"""
What spatial control costs, with random weights in the shapes of Stable Diffusion 1.5 or XL:

    python examples/speed.py
    python examples/speed.py --model sdxl --dtype bfloat16
    python examples/speed.py --separation      # what it costs to keep neighbours apart, in the steps that do

Both sides are run in turns, so that a busy machine slows them alike; what is printed are the medians of the ratios of
neighbours, and between which quartiles they lie. Under guidance, with a disc of radius 0.2 for each object.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from tqdm import tqdm

from spacetime_attn import Layout, Region
from spacetime_attn.examples.models_of_size import SIZES, conditions, unet_of
from spacetime_attn.processors.attention import RegionalAttnProcessor
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.self_attention import SeparatedAttnProcessor
from spacetime_attn.processors.unet import unet_evaluation


CENTRES = [(0.25, 0.25), (0.75, 0.75), (0.75, 0.25), (0.25, 0.75), (0.5, 0.5), (0.5, 0.2), (0.5, 0.8), (0.2, 0.5)]


def main() -> None:
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", choices=list(SIZES), default="sd15", help="whose shapes (default: %(default)s)")
    add("--objects", type=int, nargs="+", default=[4, 8], help="how many, 1 to 8 (default: %(default)s)")
    add("--size", type=int, help="pixels a side (default: 512, or 1024 for Stable Diffusion XL)")
    add("--repeats", type=int, default=15, help="pairs of runs (default: %(default)s)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    add("--dtype", choices=["float32", "float16", "bfloat16"], default="float32", help="default: %(default)s")
    add("--separation", action="store_true", help="keep neighbours apart in self-attention, and no more than that")
    arguments = parser.parse_args()
    kind, wrapper = ("attn1", SeparatedAttnProcessor) if arguments.separation else ("attn2", RegionalAttnProcessor)
    dtype = getattr(torch, arguments.dtype)
    side = (arguments.size or SIZES[arguments.model]) // 8
    torch.manual_seed(0)
    unet = unet_of(arguments.model, dtype, arguments.device)
    latents = torch.randn(2, 4, side, side, device=arguments.device, dtype=dtype)
    given = conditions(unet, len(latents))
    text = given["encoder_hidden_states"]
    inputs = attention_inputs(unet, latents, given, kind)

    def attend() -> None:
        for layer, states in inputs:
            layer(states, encoder_hidden_states=None if arguments.separation else text)

    def evaluate() -> None:
        unet(latents, 500, **given)

    measured = "self-attention" if arguments.separation else "cross-attention"
    print(f"| objects | {measured} layers | whole UNet |\n| --: | --: | --: |")
    for count in arguments.objects:
        control = discs(count, latents, text, arguments.separation)
        layers = {
            name: (layer.processor, wrapper(layer.processor, control))
            for name, layer in unet.named_modules()
            if name.endswith(kind)
        }
        cells = [
            ratio(unet, layers, run, arguments.repeats, f"{count} objects, {name}")
            for name, run in (("attention", attend), ("UNet", evaluate))
        ]
        print(f"| {count} | {' | '.join(cells)} |")


@torch.no_grad()
def attention_inputs(unet, latents: torch.Tensor, given: dict, kind: str) -> list[tuple]:
    """Every attention layer of a kind, by the end of its name, with the hidden states that it gets."""
    inputs, hooks = [], []
    for name, layer in unet.named_modules():
        if name.endswith(kind):
            hooks.append(layer.register_forward_pre_hook(lambda layer, args: inputs.append((layer, args[0]))))
    unet(latents, 500, **given)
    for hook in hooks:
        hook.remove()
    return inputs


def discs(count: int, latents: torch.Tensor, text: torch.Tensor, separated: bool) -> RegionalControl:
    """Control of the first step of a run with some discs, which are perhaps kept apart."""
    layout = Layout(tuple(Region("a thing", disc=(*centre, 0.2)) for centre in CENTRES[:count]))
    weights = torch.full((count, 1), 5.0 / count)
    contexts = torch.randn(count, *text.shape[1:], device=text.device, dtype=text.dtype)
    control = RegionalControl(contexts, [0] * count, 1, lambda *size: torch.from_numpy(layout.masks(*size)), weights)
    control.separations = torch.tensor([3.0]) if separated else None
    control.begin_run()
    control.begin_step(0, unet_evaluation(latents, guided=True))
    return control


@torch.no_grad()
def ratio(unet, layers: dict[str, tuple], run: Callable[[], None], repeats: int, description: str) -> str:
    """The time with the second processor of each layer over that with the first, which it has afterwards."""
    ratios = []
    for repeat in tqdm(range(repeats + 1), desc=description):
        times = []
        for place in (0, 1):
            _set_processors(unet, layers, place)
            times.append(seconds(run, unet.device))
        if repeat:  # the first pair warms up and fills the caches
            ratios.append(times[1] / times[0])
    _set_processors(unet, layers, 0)
    low, median, high = statistics.quantiles(ratios, n=4)
    return f"{median:.3f} ({low:.3f} to {high:.3f})"


def _set_processors(unet, layers: dict[str, tuple], place: int) -> None:
    for name, processors in layers.items():
        unet.get_submodule(name).set_processor(processors[place])


def seconds(run: Callable[[], None], device: torch.device) -> float:
    """How long a run takes; on a CPU, how long that works on it, so that what else it does is left out."""
    on_cuda = device.type == "cuda"
    clock, wait = (time.perf_counter, torch.cuda.synchronize) if on_cuda else (time.process_time, lambda: None)
    wait()
    start = clock()
    run()
    wait()
    return clock() - start


if __name__ == "__main__":
    main()
