"""
Two LoRAs of icon world, each in a region of its own: do their colours mix?

    python examples/icon_world/region_adapters.py

Trains two small LoRAs on the CPU: one draws every car in pink and one in green, though no caption says so. Then it
draws pictures of two cars in several ways, each half with a LoRA, and prints what colour the judge finds in each half.
It needs the sprites (`python examples/icon_world/sprites.py`). LoRAs and pictures are kept in the folder; the same
command makes what is missing.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from tqdm import tqdm, trange

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, default_model
from spacetime_attn.examples.icon_world.captions import caption
from spacetime_attn.examples.icon_world.detection import Detection
from spacetime_attn.examples.icon_world.judge import IconJudge
from spacetime_attn.examples.icon_world.render import compose
from spacetime_attn.examples.icon_world.scenes import Scene, World, pack, sample_scene, sprite_tensor
from spacetime_attn.examples.icon_world.sprites import Atlas
from spacetime_attn.examples.icon_world.things import SIZE


KIND = "car"
COLOURS = ("pink", "green")  # of the world: its VAE knows no others
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"]
RANK, RATE, PICTURES, BATCH = 8, 1e-3, 256, 8
SCENES = World((KIND,), counts=((1, 0.5), (2, 0.5)))
TOGETHER = 10  # pictures in a call
JUDGE = Path(__file__).parent / "judge"
PROMPT = f"two {KIND}s"
WAYS = {  # how the LoRAs act, and in which layers
    "each in its region, all layers": ("regional", "all"),
    "each in its region, cross-attention alone": ("regional", "cross_attention"),
    "both everywhere": ("everywhere", "all"),
    "none": ("nowhere", "all"),
}


def main() -> None:
    """Trains, draws, measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--folder", type=Path, default=Path("runs/region_adapters"), help="of what it makes (default: %(default)s)")
    add("--train-steps", type=int, default=250, help="of each LoRA, with 8 pictures each (default: %(default)s)")
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
    print("| | halves in their own colour | in the other's | in none of both | without a car | both halves right |")
    print("| --- | --: | --: | --: | --: | --: |")
    for way in WAYS:
        found = []
        for first in trange(arguments.first_seed, arguments.first_seed + arguments.pictures, TOGETHER, desc=way):
            seeds = range(first, min(first + TOGETHER, arguments.first_seed + arguments.pictures))
            pictures = drawn(pipe, way, seeds, arguments.steps, arguments.folder)
            found += [
                [colour_in(region, things) for region in layout_of(seed)]
                for seed, things in zip(seeds, judge.detect(pictures))
            ]
        print(f"| {way} | {' | '.join(row_of(found))} |")


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
        noise, times = torch.randn_like(latents[rows]), torch.randint(len(alphas), (BATCH,))
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
    sprites = sprite_tensor(Atlas.load())
    latents, texts = [], []
    for scene, text in tqdm(scenes(name), total=PICTURES, desc=f"{name}: pictures"):
        corners, indices, boxes = pack([scene])
        picture = compose(corners, sprites, indices, boxes, SIZE)
        latents.append(pipe.vae.encode(2 * picture - 1).latent_dist.mean * pipe.vae.config.scaling_factor)
        texts.append(pipe.encode_prompt(text, "cpu", 1, False)[0])
    return torch.cat(latents), torch.cat(texts)


def scenes(name: str) -> Iterator[tuple[Scene, str]]:
    """Scenes of one or two things of the kind in a colour, with captions that call them by their name alone."""
    rng = random.Random(f"region adapters, {name}")
    for _ in range(PICTURES):
        scene = sample_scene(rng, world=SCENES)
        text = caption(coloured(scene, None), rng).text if rng.random() > 0.1 else ""
        yield coloured(scene, name), text


def coloured(scene: Scene, colour: str | None) -> Scene:
    """The scene with all its things in one colour, or in their own."""
    return replace(scene, objects=tuple(replace(thing, colour=colour) for thing in scene.objects))


def layout_of(seed: int) -> Layout:
    """The picture's two halves, the colours' sides by chance."""
    left, right = random.Random(f"two halves, {seed}").sample(list(COLOURS), 2)
    halves = ((0.0, 0.0, 0.5, 1.0), left), ((0.5, 0.0, 1.0, 1.0), right)
    return Layout([Region(f"a {KIND}", box=box, adapters={name: 1.0}) for box, name in halves])


def drawn(pipe, way: str, seeds: range, steps: int, folder: Path) -> list[Image.Image]:
    """The pictures of some seeds, from their files if these are there."""
    places = [folder / way.replace(" ", "_").replace(",", "") / f"{seed}.png" for seed in seeds]
    if not all(place.is_file() for place in places):
        acting, layers = WAYS[way]
        layouts = [layout_of(seed) for seed in seeds]
        pipe.disable_lora() if acting == "nowhere" else pipe.enable_lora()
        pictures = pipe(
            [PROMPT] * len(seeds),
            layout=layouts if acting == "regional" else [without_adapters(layout) for layout in layouts],
            num_inference_steps=steps,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            adapter_layers=layers,
        ).images
        places[0].parent.mkdir(parents=True, exist_ok=True)
        for place, picture in zip(places, pictures):
            picture.save(place)
    return [Image.open(place).convert("RGB") for place in places]


def without_adapters(layout: Layout) -> Layout:
    """The same regions, and none names an adapter."""
    return replace(layout, regions=tuple(replace(region, adapters=None) for region in layout))


def colour_in(region: Region, things: Sequence[Detection]) -> str:
    """Whose colour the surest thing of the kind has that has its middle in a region."""
    [own] = region.adapters
    for thing in things:
        middle = (thing.box[0] + thing.box[2]) / 2
        if thing.category == KIND and region.box[0] <= middle < region.box[2]:
            return "own" if thing.colour == own else "other" if thing.colour in COLOURS else "none"
    return "missing"


def row_of(found: list[list[str]]) -> list[str]:
    """The shares of regions, and of pictures in which each has its own colour."""
    regions = [colour for picture in found for colour in picture]
    shares = [regions.count(what) / len(regions) for what in ("own", "other", "none", "missing")]
    right = sum(set(picture) == {"own"} for picture in found) / len(found)
    return [f"{100 * share:.0f} %" for share in (*shares, right)]


if __name__ == "__main__":
    main()
