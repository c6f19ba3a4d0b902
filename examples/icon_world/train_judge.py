"""
Trains the judge of icon world on renderings and measures its own error on others.

    python examples/icon_world/train_judge.py FOLDER

Pictures that a diffusion model makes are blurred, noisy, off-colour and bent; the renderings are made so, too.
"""

import argparse
import math
import os
import random
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn
from tqdm import tqdm

from spacetime_attn.examples.icon_world.data import Stream, loader
from spacetime_attn.examples.icon_world.detection import Detection, intersection_over_union
from spacetime_attn.examples.icon_world.judge import IconJudge
from spacetime_attn.examples.icon_world.loop import Trainer
from spacetime_attn.examples.icon_world.overlaps import overlapped
from spacetime_attn.examples.icon_world.render import compose, crop
from spacetime_attn.examples.icon_world.scenes import (
    IconObject,
    Scene,
    SceneBatch,
    pack,
    render,
    scene_stream,
    sprite_tensor,
)
from spacetime_attn.examples.icon_world.sprites import ATLAS, Atlas
from spacetime_attn.examples.icon_world.things import CATEGORIES, COLOURS, SIZE


TARGETS = {1: 0.99, 4: 0.97}  # objects in a rendering: share of the pictures that has to be judged right
OVERLAPPING = (2, 4)  # objects in renderings in which two overlap
MOST_COVERED = 0.6  # of the smaller box, in scenes in which two overlap


# --- pictures with labels --------------------------------------------------------------------------------------------
class Painter:
    """
    Draws scenes as a diffusion model might have drawn them, and now and then a broken icon that is none: its colours
    are there, its shape is not.

    Args:
        broken (`float`): The share of icons whose quarters are exchanged.
    """

    def __init__(self, atlas: Atlas, device: str | torch.device, broken: float = 0.08):
        sprites = sprite_tensor(atlas).to(device)
        quartered = sprites.roll((sprites.shape[2] // 2, sprites.shape[3] // 2), dims=(2, 3))
        self.sprites = torch.cat([sprites, quartered])
        self.broken = broken

    def __call__(self, scenes: SceneBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        Returns:
            The pictures, shape (scenes, 3, SIZE, SIZE) in 0..1; each object's sprite, (scenes, objects), -1 where
            there is none; their boxes in 0..1, (scenes, objects, 4).
        """
        corners, indices, boxes = scenes
        breaks = (indices >= 0) & (torch.rand(indices.shape, device=indices.device) < self.broken)
        with torch.autocast(indices.device.type, enabled=False):
            pixels = compose(corners, self.sprites, indices + len(self.sprites) // 2 * breaks, boxes, SIZE)
            pixels, indices, boxes = reframe(pixels, torch.where(breaks, -1, indices), boxes)
            return distort(pixels), indices, boxes


def reframe(pixels: torch.Tensor, indices: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Cuts out or adds a margin at random; objects of which little is left are dropped. As [`Painter`] returns."""
    centres = 0.5 + 0.12 * (torch.rand(len(pixels), 2, device=pixels.device) - 0.5)
    halves = 0.5 * (0.8 + 0.35 * torch.rand(len(pixels), 2, device=pixels.device))
    windows = torch.cat([centres - halves, centres + halves], dim=1)
    origin, side = windows[:, None, [0, 1, 0, 1]], 2 * halves[:, None, [0, 1, 0, 1]]
    moved = (boxes - origin) / side
    clipped = moved.clamp(0, 1)
    visible = _areas(clipped) > 0.6 * _areas(moved)
    return crop(pixels, windows, pixels.shape[-1]), torch.where(visible, indices, -1), clipped


def _areas(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def distort(pixels: torch.Tensor) -> torch.Tensor:
    """What sampling and a VAE do to pictures: (pictures, 3, size, size) in 0..1, each distorted to its own degree."""
    pixels = _tone(_blur(_bend(pixels)))
    grain = torch.randn_like(pixels) * _uniform(pixels, 0, 0.06)
    blotches = F.interpolate(torch.randn_like(pixels[..., ::8, ::8]), size=pixels.shape[-2:], mode="bilinear")
    return (pixels + grain + blotches * _uniform(pixels, 0, 0.04)).clamp(0, 1)


def _bend(pixels: torch.Tensor, most: float = 0.04) -> torch.Tensor:
    """Smooth displacements, on average up to `most` / 2 of half the picture's side."""
    still = torch.eye(2, 3, device=pixels.device).expand(len(pixels), 2, 3)
    grid = F.affine_grid(still, list(pixels.shape), align_corners=False)
    waves = torch.randn(len(pixels), 2, 5, 5, device=pixels.device) * _uniform(pixels, 0, most)
    flow = F.interpolate(waves, size=pixels.shape[-2:], mode="bicubic").permute(0, 2, 3, 1)
    return F.grid_sample(pixels, grid + flow, mode="bilinear", padding_mode="border", align_corners=False)


def _blur(pixels: torch.Tensor) -> torch.Tensor:
    """Half of the pictures lose detail, through a smaller size."""
    size = pixels.shape[-1]
    small = F.interpolate(pixels, size=random.randint(2 * size // 5, size), mode="area")
    blurred = F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)
    return torch.where(_uniform(pixels, 0, 1) < 0.5, blurred, pixels)


def _tone(pixels: torch.Tensor) -> torch.Tensor:
    """Contrast, brightness, saturation and a slight cast."""
    gray = pixels.mean(dim=1, keepdim=True)
    pixels = gray + (pixels - gray) * _uniform(pixels, 0.7, 1.2)
    cast = torch.rand(len(pixels), 3, 1, 1, device=pixels.device) * 0.1 - 0.05
    return (pixels - 0.5) * _uniform(pixels, 0.8, 1.15) + 0.5 + cast + _uniform(pixels, -0.06, 0.06)


def _uniform(pixels: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """One random number for each picture, of shape (pictures, 1, 1, 1)."""
    return torch.rand(len(pixels), 1, 1, 1, device=pixels.device) * (high - low) + low


# --- what the network should say -------------------------------------------------------------------------------------
def target_maps(
    indices: torch.Tensor, boxes: torch.Tensor, cells: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Args:
        indices (`torch.Tensor` of shape (pictures, objects)), boxes (`torch.Tensor` of shape (pictures, objects, 4)):
            See [`Painter`].
        cells (`int`): G, the side of the maps.

    Returns:
        Heat, (pictures, categories, G, G): 1 at centres, falling off around them as a Gaussian. The colour of the
        object in whose middle a cell lies, (pictures, G, G), -100 for none. The distances of that object's sides from
        the cell's centre, (pictures, 4, G, G), in cells.
    """
    category, colour = indices.div(1 + len(COLOURS), rounding_mode="floor"), indices % (1 + len(COLOURS))
    boxes = boxes * cells
    grid = torch.arange(cells, device=boxes.device) + 0.5
    x0, y0, x1, y1 = boxes[..., None, None].unbind(2)  # (pictures, objects, 1, 1)
    across, down = grid.expand(cells, cells), grid[:, None].expand(cells, cells)
    spread = (torch.maximum(x1 - x0, y1 - y0) * 0.12).clamp(min=0.6)
    column = ((x0 + x1) / 2).floor().clamp(0, cells - 1) + 0.5
    row = ((y0 + y1) / 2).floor().clamp(0, cells - 1) + 0.5
    bumps = (-((across - column) ** 2 + (down - row) ** 2) / (2 * spread**2)).exp()  # (pictures, objects, G, G)
    bumps = torch.where((indices >= 0)[..., None, None], bumps, 0)

    heat = bumps.new_zeros(len(bumps), len(CATEGORIES), cells, cells)
    pictures = torch.arange(len(bumps), device=bumps.device)
    for place in range(bumps.shape[1]):
        maps = pictures, category[:, place].clamp(min=0)
        heat[maps] = torch.maximum(heat[maps], bumps[:, place])
    strength, owner = bumps.max(dim=1, keepdim=True)  # (pictures, 1, G, G)
    colours = colour[..., None, None].expand_as(bumps).gather(1, owner)[:, 0]
    sides = torch.stack([across - x0, down - y0, x1 - across, y1 - down], dim=1)  # (pictures, 4, objects, G, G)
    sides = sides.gather(2, owner[:, None].expand(-1, 4, -1, -1, -1))[:, :, 0]
    return heat, torch.where(strength[:, 0] > 0.3, colours, -100), sides


def judge_loss(judge: IconJudge, painter: Painter, scenes: SceneBatch) -> torch.Tensor:
    """Focal loss of the centres (arXiv:1808.01244, eq. 1), L1 of the sides and cross-entropy of the colours."""
    pixels, indices, boxes = painter(scenes)
    logits, sides, colours = judge(pixels.contiguous(memory_format=torch.channels_last))
    heat, true_colours, true_sides = target_maps(indices, boxes, logits.shape[-1])
    centres, chance = heat > 0.999, logits.sigmoid()
    hits = ((1 - chance[centres]) ** 2 * F.logsigmoid(logits[centres])).sum()
    misses = ((1 - heat).square().square() * chance.square() * F.logsigmoid(-logits))[~centres].sum()
    inside = true_colours >= 0
    cells = inside.sum().clamp(min=1)
    side_loss = ((sides - true_sides).abs().sum(dim=1) * inside).sum() / cells
    colour_loss = F.cross_entropy(colours, true_colours, reduction="sum") / cells
    return -(hits + misses) / centres.sum().clamp(min=1) + colour_loss + 0.1 * side_loss


# --- training --------------------------------------------------------------------------------------------------------
def train_judge(
    folder: str | Path,
    atlas: Atlas,
    minutes: float,
    device: str = "cpu",
    deadline: float = math.inf,
    batch_size: int | None = None,
    overlaps: float = 0.0,
) -> bool:
    """
    Trains the judge and saves it in `folder`, in half precision. A training that was stopped goes on; one that is
    done stays as it is.

    Args:
        minutes (`float`): Of training in all.
        deadline (`float`): Of `time.monotonic()`: when to pause.
        batch_size (`int`, *optional*): 256 on a GPU, 32 on a CPU.
        overlaps (`float`): The share of the scenes in which one thing is moved over another, see `overlapped`.

    Returns:
        Whether the minutes are spent.
    """
    folder = Path(folder)
    judge = IconJudge(list(CATEGORIES), list(COLOURS), SIZE).to(device, memory_format=torch.channels_last)
    trainer = Trainer(judge, folder.with_suffix(".pt"), minutes)
    if trainer.progress == 1 and folder.exists():
        return True
    painter = Painter(atlas, device)
    cuda = torch.device(device).type == "cuda"
    make_batch = partial(_scene_batch, count=batch_size or (256 if cuda else 32), overlaps=overlaps)
    workers = max(1, (os.cpu_count() or 1) - 2) if cuda else 0
    batches = loader(make_batch, f"judge, step {trainer.step}", workers, pin_memory=cuda)
    done = trainer.run(batches, lambda scenes: judge_loss(judge, painter, scenes), deadline)
    with torch.no_grad():
        moved = (SceneBatch(*(part.to(device) for part in scenes)) for scenes in islice(batches, 20))
        update_bn((painter(scenes)[0] for scenes in moved), trainer.average)
    trainer.average.half().save_pretrained(folder)
    return done


def _scene_batch(stream: Stream, count: int, overlaps: float) -> SceneBatch:
    return pack([_perhaps_overlapped(scene, rng, overlaps) for scene, rng in islice(stream, count)])


def _perhaps_overlapped(scene: Scene, rng: random.Random, chance: float) -> Scene:
    moved = overlapped(scene, rng, 0.0, MOST_COVERED) if rng.random() < chance else None
    return moved or scene


# --- the judge's own error -------------------------------------------------------------------------------------------
def measure(
    judge: IconJudge, atlas: Atlas, num_objects: int, pictures: int = 1000, overlapping: bool = False
) -> dict[str, float]:
    """
    The judge on undistorted renderings of the test split.

    Args:
        overlapping (`bool`): Whether one thing is moved over another first, see `overlapped`; either may be in front.

    Returns:
        `dict[str, float]`: Shares in 0..1. `"objects"`: found in their place (boxes that agree by at least 0.5) with
        the right category and colour. `"pictures"`: all of that, and nothing else seen.
    """
    stream = scene_stream("test", "judge", num_objects)
    scenes = (overlapped(scene, rng) for scene, rng in stream) if overlapping else (scene for scene, _ in stream)
    scenes = list(islice(filter(None, scenes), pictures))
    right, whole = 0, 0
    for batch in tqdm([scenes[start : start + 50] for start in range(0, pictures, 50)], desc="measure", leave=False):
        for scene, detections in zip(batch, judge.detect([render(scene, SIZE, atlas) for scene in batch])):
            good = [any(_agrees(item, seen) for seen in detections) for item in scene.objects]
            right += sum(good)
            whole += all(good) and len(detections) == num_objects
    return {"objects": right / (pictures * num_objects), "pictures": whole / pictures}


def _agrees(item: IconObject, seen: Detection) -> bool:
    same = (seen.category, seen.colour) == (item.category, item.colour)
    return same and intersection_over_union(seen.box, item.box) >= 0.5


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, and prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folder", type=Path, help="for the judge, or with it where --minutes is 0")
    add("--minutes", type=float, default=15.0, help="of training; 0 only measures (default: %(default)s)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    add("--atlas", type=Path, default=ATLAS, help="the file of sprites (default: %(default)s)")
    add("--overlaps", type=float, default=0.0, help="share of scenes in which two things overlap (default: 0)")
    arguments = parser.parse_args(argv)
    atlas = Atlas.load(arguments.atlas)
    if arguments.minutes:
        train_judge(arguments.folder, atlas, arguments.minutes, arguments.device, overlaps=arguments.overlaps)
    judge = IconJudge.from_pretrained(arguments.folder).to(arguments.device)
    for num_objects, target in TARGETS.items():
        shares = measure(judge, atlas, num_objects)
        shown = ", ".join(f"{share:.2%} of the {name}" for name, share in shares.items())
        print(f"{num_objects} object(s): {shown} right (target {target:.0%})")
    for num_objects in OVERLAPPING:
        shown = ", ".join(
            f"{share:.2%} of the {name}"
            for name, share in measure(judge, atlas, num_objects, overlapping=True).items()
        )
        print(f"{num_objects} objects, two of which overlap: {shown} right")


if __name__ == "__main__":
    main()
