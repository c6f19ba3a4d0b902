"""
What two LoRAs cost, each in a region of its own, with random weights in the shapes of Stable Diffusion 1.5:

    python examples/speed_adapters.py

The same picture is drawn in turns: without LoRAs, with both everywhere, and with each in its region, always under the
control of two regions. What is printed are the medians of the ratios of neighbouring evaluations of the UNet under
guidance, and between which quartiles they lie. LoRAs are of attention, feed-forward and projections.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig
from tqdm import trange

from spacetime_attn import Layout, Region, spacetime_attention
from spacetime_attn.examples.models_of_size import sd15


TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"]
NAMES, BOXES = ("one", "two"), ((0.05, 0.2, 0.45, 1.0), (0.55, 0.2, 0.95, 1.0))


def main() -> None:
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", type=int, default=512, help="pixels a side (default: %(default)s)")
    add("--rank", type=int, default=16, help="of the LoRAs (default: %(default)s)")
    add("--repeats", type=int, default=5, help="of three drawings (default: %(default)s)")
    add("--steps", type=int, default=3, help="of a drawing (default: %(default)s)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    add("--dtype", choices=["float32", "float16", "bfloat16"], default="float32", help="default: %(default)s")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    pipe = sd15(getattr(torch, arguments.dtype)).to(arguments.device)
    pipe.set_progress_bar_config(disable=True)
    for name in NAMES:
        pipe.unet.add_adapter(LoraConfig(r=arguments.rank, target_modules=TARGETS, init_lora_weights=False), name)
    times: dict[str, list[float]] = {way: [] for way in ("none", "everywhere", "regional", "cross_attention")}
    for _ in trange(arguments.repeats):
        for way, known in times.items():
            known += drawing(pipe, way, arguments.steps, arguments.size)
    print("| two LoRAs | time of the UNet, without LoRAs = 1 | both everywhere = 1 |\n| --- | --: | --: |")
    for way, label in {
        "everywhere": "both everywhere",
        "regional": "each in its region",
        "cross_attention": "each in its region, in cross-attention alone",
    }.items():
        print(f"| {label} | {ratio(times[way], times['none'])} | {ratio(times[way], times['everywhere'])} |")


def drawing(pipe, way: str, steps: int, size: int) -> list[float]:
    """The seconds of each evaluation but the first, which projects the texts."""
    pipe.unet.disable_adapters() if way == "none" else pipe.unet.enable_adapters()
    pipe.unet.set_adapter(list(NAMES))
    regional = way in ("regional", "cross_attention")
    regions = [
        Region("a thing", box=box, adapters={name: 1.0} if regional else None) for name, box in zip(NAMES, BOXES)
    ]
    layers = "cross_attention" if way == "cross_attention" else "all"
    with spacetime_attention(pipe, Layout(regions), adapter_layers=layers), timed(pipe.unet) as times:
        pipe("two things", num_inference_steps=steps, height=size, width=size, output_type="latent")
    return times[1:]


@contextmanager
def timed(unet) -> Iterator[list[float]]:
    """The seconds that each evaluation takes within the block, what prepares it included."""
    times: list[float] = []
    started = unet.register_forward_pre_hook(lambda *_: times.append(now(unet.device)), prepend=True)
    ended = unet.register_forward_hook(lambda *_: times.append(now(unet.device) - times.pop()))
    try:
        yield times
    finally:
        started.remove()
        ended.remove()


def now(device: torch.device) -> float:
    """A time in seconds; on a CPU, of what that has worked, so that what else it does is left out."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def ratio(times: list[float], others: list[float]) -> str:
    """The median of the ratios of neighbours, and the quartiles."""
    low, median, high = statistics.quantiles([one / other for one, other in zip(times, others)], n=4)
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
