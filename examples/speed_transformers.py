"""
What regional control costs in transformers, with random weights in the shapes of FLUX.1 (one double and one single
block), Stable Diffusion 3 medium (two blocks, the last without a text stream of its own) and PixArt sigma (one block):

    python examples/speed_transformers.py
    python examples/speed_transformers.py --model pixart --dtype bfloat16

Pictures of 1024 pixels, regions of a sixth of them. Both sides are run in turns, so that a busy machine slows them
alike; what is printed are the medians of the ratios of neighbours, and between which quartiles they lie.
"""

import argparse
import statistics
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import NamedTuple

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
)
from torch import nn
from tqdm import tqdm

from spacetime_attn import Layout, Region
from spacetime_attn.examples.speed import seconds
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.denoiser import Denoiser, EncodedTexts
from spacetime_attn.processors.flux import FluxDenoiser
from spacetime_attn.processors.patch import regional_attention
from spacetime_attn.processors.pixart import PixArtDenoiser
from spacetime_attn.processors.sd3 import SD3Denoiser


WIDTH, HEIGHT = 1 / 3, 1 / 2  # of a region
TIME = 500.0


class Shape(NamedTuple):
    """A transformer of a family, its inputs at 1024 pixels, and how its control is."""

    make: Callable[[], nn.Module]
    inputs: Callable[..., dict]
    denoiser: type[Denoiser]
    blend: str
    local_tokens: int


def flux() -> nn.Module:
    """FLUX.1 dev's, with one block of each kind."""
    return FluxTransformer2DModel(num_layers=1, num_single_layers=1, guidance_embeds=True)


def flux_inputs(**kind) -> dict:
    """4,096 tokens of the picture, 512 of the prompt."""
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    positions = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1)
    return {
        "hidden_states": torch.randn(1, 4096, 64, **kind),
        "encoder_hidden_states": torch.randn(1, 512, 4096, **kind),
        "pooled_projections": torch.randn(1, 768, **kind),
        "timestep": torch.full((1,), TIME / 1000, **kind),
        "guidance": torch.full((1,), 3.5, **kind),
        "img_ids": positions.to(**kind),
        "txt_ids": torch.zeros(512, 3, **kind),
    }


def stable_diffusion_3() -> nn.Module:
    """3 medium's, with its last two blocks."""
    return SD3Transformer2DModel(
        num_layers=2, num_attention_heads=24, caption_projection_dim=1536, pos_embed_max_size=192
    )


def stable_diffusion_3_inputs(**kind) -> dict:
    """4,096 tokens of the picture and 77 + 256 of the prompt, under classifier-free guidance."""
    return {
        "hidden_states": torch.randn(2, 16, 128, 128, **kind),
        "encoder_hidden_states": torch.randn(2, 333, 4096, **kind),
        "pooled_projections": torch.randn(2, 2048, **kind),
        "timestep": torch.full((2,), TIME, **kind),
    }


def pixart() -> nn.Module:
    """Sigma's, with one block."""
    return PixArtTransformer2DModel(num_layers=1, caption_channels=4096, use_additional_conditions=False)


def pixart_inputs(**kind) -> dict:
    """4,096 tokens of the picture and 300 of the prompt, a tenth of them text, under classifier-free guidance."""
    return {
        "hidden_states": torch.randn(2, 4, 128, 128, **kind),
        "encoder_hidden_states": torch.randn(2, 300, 4096, **kind),
        "encoder_attention_mask": (torch.arange(300) < 30).expand(2, -1).to(**kind),
        "timestep": torch.full((2,), TIME, **kind),
    }


SHAPES = {
    "flux": Shape(flux, flux_inputs, FluxDenoiser, "convex", 128),
    "sd3": Shape(stable_diffusion_3, stable_diffusion_3_inputs, SD3Denoiser, "guided", 77 + 64),
    "pixart": Shape(pixart, pixart_inputs, PixArtDenoiser, "guided", 300),
}


def main() -> None:
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", choices=list(SHAPES), nargs="+", default=list(SHAPES), help="whose shapes (default: all)")
    add("--objects", type=int, nargs="+", default=[4, 8], help="how many (default: %(default)s)")
    add("--repeats", type=int, default=5, help="pairs of runs (default: %(default)s)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    add("--dtype", choices=["float32", "float16", "bfloat16"], default="float32", help="default: %(default)s")
    arguments = parser.parse_args()
    kind = {"device": arguments.device, "dtype": getattr(torch, arguments.dtype)}
    print("| model | objects | time under control, of that without |\n| --- | --: | --: |")
    for name in arguments.model:
        shape = SHAPES[name]
        torch.manual_seed(0)
        model, inputs = shape.make().eval().to(**kind), shape.inputs(**kind)
        for count in arguments.objects:
            print(f"| {name} | {count} | {ratio(shape, model, inputs, count, arguments.repeats)} |")


@torch.no_grad()
def ratio(shape: Shape, model: nn.Module, inputs: dict, count: int, repeats: int) -> str:
    """The time with so many regions over that without."""
    texts, scheduler = EncodedTexts(), FlowMatchEulerDiscreteScheduler()
    scheduler.timesteps = torch.tensor([TIME])
    guided = len(inputs["hidden_states"]) == 2
    texts.add({"do_classifier_free_guidance": guided}, (inputs["encoder_hidden_states"],))
    pipe = SimpleNamespace(
        transformer=model, scheduler=scheduler, encode_prompt=None, do_classifier_free_guidance=shape.blend == "guided"
    )
    denoiser, control = shape.denoiser(pipe, texts), regions(shape, inputs, count)
    ratios = []
    for repeat in tqdm(range(repeats + 1), desc=f"{denoiser.kind}, {count} objects", leave=False):
        times = []
        for block in (nullcontext(), regional_attention(denoiser, control)):
            with block:
                scheduler.timesteps = torch.tensor([TIME])  # a new run
                times.append(seconds(lambda: model(**inputs), inputs["hidden_states"].device))
        if repeat:  # the first pair warms up
            ratios.append(times[1] / times[0])
    low, median, high = statistics.quantiles(ratios, n=4)
    return f"{median:.3f} ({low:.3f} to {high:.3f})"


def regions(shape: Shape, inputs: dict, count: int) -> RegionalControl:
    """Control of one step by so many boxes, spread over the picture."""
    corners = [((1 - WIDTH) * (n % 4) / 3, (1 - HEIGHT) * (n // 4 % 2)) for n in range(count)]
    layout = Layout(tuple(Region("a thing", box=(x, y, x + WIDTH, y + HEIGHT)) for x, y in corners))
    texts = inputs["encoder_hidden_states"]
    contexts = torch.randn(count, shape.local_tokens, texts.shape[-1], device=texts.device, dtype=texts.dtype)
    mask = (torch.arange(shape.local_tokens) < 10).expand(count, -1) if shape.denoiser is PixArtDenoiser else None
    return RegionalControl(
        contexts=contexts,
        owners=[0] * count,
        num_prompts=1,
        masks=lambda *size: torch.from_numpy(layout.masks(*size)),
        weights=torch.full((count, 1), 1 / count),
        blend=shape.blend,
        context_masks=mask if mask is None else mask.to(texts.device),
    )


if __name__ == "__main__":
    main()
