"""
Two LoRAs of icon world, each in a region of its own: do their colours mix?

    python examples/icon_world/region_adapters.py

Trains two small LoRAs on the CPU: one draws cars in violet and one in teal, two colours that the checkpoint does not
know. Then it draws pictures of two cars, each with a region, in several ways, and prints how much of each region has
its own colour. It needs the sprites (`python examples/icon_world/sprites.py`). LoRAs and pictures are kept in the
folder; the same command makes what is missing.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from tqdm import tqdm, trange

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, default_model
from spacetime_attn.examples.icon_world.captions import caption
from spacetime_attn.examples.icon_world.judge import IconJudge
from spacetime_attn.examples.icon_world.render import compose
from spacetime_attn.examples.icon_world.scenes import World, pack, sample_scene
from spacetime_attn.examples.icon_world.sprites import Atlas, sprite_index, tint
from spacetime_attn.examples.icon_world.things import SIZE


KIND = "car"
COLOURS = {"violet": (135, 45, 200), "teal": (0, 165, 160)}  # sRGB, 0..255
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"]
RANK, RATE, PICTURES, BATCH = 16, 4e-3, 256, 8
SCENES = World((KIND,), counts=((1, 0.5), (2, 0.5)))
TOGETHER = 10  # pictures in a call
HUE_WIDTH = 25  # degrees to each side of a colour's own hue
COLOURED = 0.35  # the saturation from which a pixel has a hue
LEAST = 0.15  # of a region's pixels, that have to be in its colour
JUDGE = Path(__file__).parent / "judge"
WAYS = {
    "each in its region, all layers": {"regional": True},
    "each in its region, cross-attention alone": {"regional": True, "adapter_layers": "cross_attention"},
    "both everywhere": {"everywhere": list(COLOURS)},
    "none": {},
}


def main() -> None:
    """Trains, draws, measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--folder",
        type=Path,
        default=Path("runs/region_adapters"),
        help="of LoRAs and pictures (default: %(default)s)",
    )
    add("--train-steps", type=int, default=150, help="of each LoRA, with 8 pictures each (default: %(default)s)")
    add("--pictures", type=int, default=100, help="of each way (default: %(default)s)")
    add("--steps", type=int, default=20, help="of sampling (default: %(default)s)")
    add("--first-seed", type=int, default=1000, help="default: %(default)s")
    arguments = parser.parse_args()
    for number, name in enumerate(COLOURS):
        if not (arguments.folder / name / "pytorch_lora_weights.safetensors").is_file():
            train(name, number, arguments.train_steps, arguments.folder / name)
    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model())
    pipe.set_progress_bar_config(disable=True)
    for name in COLOURS:
        pipe.load_lora_weights(arguments.folder / name, adapter_name=name)
    pipe.set_adapters(list(COLOURS))
    judge = IconJudge.from_pretrained(JUDGE).eval()
    print("| | own colour in a region | the other's | both regions right | two cars found |")
    print("| --- | --: | --: | --: | --: |")
    for way in WAYS:
        shares, kinds = [], []
        for first in trange(arguments.first_seed, arguments.first_seed + arguments.pictures, TOGETHER, desc=way):
            seeds = range(first, min(first + TOGETHER, arguments.first_seed + arguments.pictures))
            pictures = drawn(pipe, way, seeds, arguments.steps, arguments.folder)
            for seed, picture, found in zip(seeds, pictures, judge.detect(pictures)):
                shares.append([colour_shares(picture, region) for region in layout_of(seed)])
                kinds.append(sum(one.category == KIND for one in found) == 2)
        print(f"| {way} | {' | '.join(row_of(shares))} | {100 * np.mean(kinds):.0f} % |")


def train(name: str, seed: int, steps: int, folder: Path) -> None:
    """Trains a LoRA of the UNet on pictures of things in its colour, with captions that do not name that."""
    torch.manual_seed(seed)
    pipe = StableDiffusionPipeline.from_pretrained(default_model(), safety_checker=None)
    latents, texts = material(pipe, name)
    unet = pipe.unet.requires_grad_(False).train()
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS))
    optimizer = torch.optim.AdamW([weight for weight in unet.parameters() if weight.requires_grad], lr=RATE)
    alphas = pipe.scheduler.alphas_cumprod
    for _ in (bar := trange(steps, desc=name)):
        rows = torch.randint(len(latents), (BATCH,))
        noise, times = torch.randn_like(latents[rows]), torch.randint(len(alphas) // 5, len(alphas), (BATCH,))
        alpha = alphas[times][:, None, None, None]
        noisy = alpha.sqrt() * latents[rows] + (1 - alpha).sqrt() * noise
        loss = (unet(noisy, times, texts[rows]).sample - noise).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=get_peft_model_state_dict(unet))


@torch.no_grad()
def material(pipe, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (pictures, 4, rows, columns) and encoded captions (pictures, tokens, channels)."""
    sprite = torch.from_numpy(recoloured(COLOURS[name])).permute(2, 0, 1)[None]
    latents, texts = [], []
    for scene, text in tqdm(scenes(name), total=PICTURES, desc=f"{name}: pictures"):
        corners, indices, boxes = pack([scene])
        picture = compose(corners, sprite, indices.clamp(max=0), boxes, SIZE)
        latents.append(pipe.vae.encode(2 * picture - 1).latent_dist.mean * pipe.vae.config.scaling_factor)
        texts.append(pipe.encode_prompt(text, "cpu", 1, False)[0])
    return torch.cat(latents), torch.cat(texts)


def scenes(name: str) -> Iterator[tuple]:
    """Scenes of one or two things of the kind, with captions that call them by their name alone."""
    rng = random.Random(f"region adapters, {name}")
    for _ in range(PICTURES):
        scene = sample_scene(rng, world=SCENES)
        scene = replace(scene, objects=tuple(replace(thing, colour=None) for thing in scene.objects))
        yield scene, caption(scene, rng).text if rng.random() > 0.1 else ""


def recoloured(colour: tuple[int, int, int]) -> np.ndarray:
    """The icon of the kind in a colour, (height, width, 4), RGB premultiplied by alpha, 0..1."""
    icon = Atlas.load().flat[sprite_index(KIND, None)].astype(np.float32) / 255
    icon[..., :3] /= icon[..., 3:].clip(1 / 255)
    icon = tint(icon, colour)
    return np.concatenate([icon[..., :3] * icon[..., 3:], icon[..., 3:]], axis=-1)


def layout_of(seed: int) -> Layout:
    """Two boxes side by side, the colours' sides by chance."""
    rng = random.Random(f"two regions, {seed}")
    names = rng.sample(list(COLOURS), 2)
    regions = []
    for number, name in enumerate(names):
        x, y = 0.03 + 0.5 * number + rng.uniform(0, 0.04), rng.uniform(0.1, 0.5)
        regions.append(Region(f"a {KIND}", box=(x, y, x + 0.4, y + 0.4), adapters={name: 1.0}))
    return Layout(regions)


def drawn(pipe, way: str, seeds: range, steps: int, folder: Path) -> list[Image.Image]:
    """The pictures of some seeds, from their files if these are there."""
    places = [folder / way.replace(" ", "_").replace(",", "") / f"{seed}.png" for seed in seeds]
    if not all(place.is_file() for place in places):
        options, layouts = dict(WAYS[way]), [layout_of(seed) for seed in seeds]
        everywhere = options.pop("everywhere", [])
        if not options.pop("regional", False):
            layouts = [without_adapters(layout) for layout in layouts]
            pipe.enable_lora() if everywhere else pipe.disable_lora()
        pictures = pipe(
            [f"two {KIND}s"] * len(seeds),
            layout=layouts,
            num_inference_steps=steps,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            **options,
        ).images
        pipe.enable_lora()
        places[0].parent.mkdir(parents=True, exist_ok=True)
        for place, picture in zip(places, pictures):
            picture.save(place)
    return [Image.open(place).convert("RGB") for place in places]


def without_adapters(layout: Layout) -> Layout:
    """The same regions, and none names an adapter."""
    return replace(layout, regions=tuple(replace(region, adapters=None) for region in layout))


def colour_shares(picture: Image.Image, region: Region) -> tuple[float, float]:
    """How much of a region is in its own adapter's colour, and how much in the other's."""
    pixels = np.asarray(picture)
    inside = region.rasterize(*pixels.shape[:2]) > 0.5
    hue, saturation, _ = np.moveaxis(np.asarray(picture.convert("HSV"))[inside].astype(np.float32), -1, 0)
    [own] = region.adapters
    shares = {}
    for name, colour in COLOURS.items():
        wanted = Image.new("RGB", (1, 1), colour).convert("HSV").getpixel((0, 0))[0]
        apart = np.abs((hue - wanted + 128) % 256 - 128) * 360 / 256
        shares[name] = float(((apart < HUE_WIDTH) & (saturation > 255 * COLOURED)).mean())
    [other] = [share for name, share in shares.items() if name != own]
    return shares[own], other


def row_of(shares: list) -> list[str]:
    """The means over all regions, and how many pictures have both colours in their places and hardly elsewhere."""
    shares = np.array(shares)
    own, other = shares[..., 0], shares[..., 1]
    right = (own > LEAST) & (other < own / 10)
    return [f"{100 * value:.0f} %" for value in (own.mean(), other.mean(), right.all(axis=1).mean())]


if __name__ == "__main__":
    main()
