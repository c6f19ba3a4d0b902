"""
Prompts with layouts in which two things overlap: whether it helps that regions give way to what is in front of them.

    python -m spacetime_attn.examples.icon_world.overlaps FOLDER/prompts.jsonl --name development
    python examples/evaluate.py FOLDER/prompts.jsonl --output FOLDER --configurations examples/overlaps.yaml \\
        --judge JUDGE --steps 25 --batch-size 10

A scene is one of the development split, with one thing moved over another until the two share a fifth to a half of
the smaller one's box. The captions are of the same kind as in `prompts_dev.jsonl`: they state how the things stand to
each other, and nothing of depth. The judge that ships has hardly seen things that overlap; `train_judge.py --overlaps
0.5` makes one that has.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spacetime_attn.examples.icon_world.prompts import prompt_of, related
from spacetime_attn.examples.icon_world.scenes import Box, Scene, scene_stream


LEAST, MOST = 0.2, 0.5  # of the smaller box, that the two share
BESIDE = 0.06  # the same, of all others: they hardly overlap
TRIES = 100  # places for the one that is moved
NUMBERS = (2, 3, 4, 4, 4, 4)  # of things, in turn, as in `prompts_dev.jsonl`


def overlapped(scene: Scene, rng: random.Random, least: float = LEAST, most: float = MOST) -> Scene | None:
    """
    A scene with one of its things moved over another, so that the boxes of the two share such a part of the smaller
    one, and no others more than before; None where chance finds no place for it.
    """
    if len(scene.objects) < 2:
        return None
    moved, still = rng.sample(range(len(scene.objects)), 2)
    x0, y0, x1, y1 = scene.objects[moved].box
    width, height = x1 - x0, y1 - y0
    for _ in range(TRIES):
        x, y = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        box = (x, y, x + width, y + height)
        parts = [shared(box, other.box) for other in scene.objects]
        others = [part for index, part in enumerate(parts) if index not in (moved, still)]
        if least <= parts[still] <= most and max(others, default=0) <= BESIDE:
            objects = list(scene.objects)
            objects[moved] = replace(objects[moved], box=box)
            return replace(scene, objects=tuple(objects))
    return None


def shared(a: Box, b: Box) -> float:
    """The part of the smaller of two boxes that lies in both."""
    width, height = (min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis]) for axis in (0, 1))
    return max(width, 0) * max(height, 0) / min(map(area, (a, b)))


def area(box: Box) -> float:
    """Of a box, as a part of the picture."""
    return (box[2] - box[0]) * (box[3] - box[1])


def prompts(name: str, count: int) -> Iterator[dict]:
    """Records for `evaluate.py` of so many scenes in which two things overlap; another name gives others."""
    streams = {number: related(_overlapping(name, number)) for number in set(NUMBERS)}
    for place in range(count):
        scene, description = next(streams[NUMBERS[place % len(NUMBERS)]])
        yield prompt_of(scene, description, f"{name}-{place:04d}")


def _overlapping(name: str, number: int) -> Iterator[tuple[Scene, random.Random]]:
    for scene, rng in scene_stream("dev", f"overlaps of {number}, {name}", number):
        if found := overlapped(scene, rng):
            yield found, rng


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the prompts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("file", type=Path, help="for the prompts, JSON lines")
    add("--name", default="development", help="of the scenes; another one gives others (default: %(default)s)")
    add("--count", type=int, default=200, help="how many (default: %(default)s)")
    arguments = parser.parse_args(argv)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(record) + "\n" for record in prompts(arguments.name, arguments.count)]
    arguments.file.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
