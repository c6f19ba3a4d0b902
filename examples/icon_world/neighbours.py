"""
Prompts whose objects leak into each other: whether it helps to keep neighbours apart in self-attention.

    python -m spacetime_attn.examples.icon_world.neighbours FOLDER/prompts.jsonl --name development
    python examples/evaluate.py FOLDER/prompts.jsonl --output FOLDER --configurations examples/neighbours.yaml \\
        --steps 25 --batch-size 10

Of each three prompts one has things of one kind in different colours, one things of different kinds in one colour, and
one different things whose boxes touch. The captions are of the same kind as in `prompts_dev.jsonl`.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spacetime_attn.examples.icon_world.overlaps import shared
from spacetime_attn.examples.icon_world.prompts import prompt_of, wholly_related
from spacetime_attn.examples.icon_world.scenes import Box, Scene, sample_scene, scene_of, split_of
from spacetime_attn.examples.icon_world.things import CATEGORIES, COLOURS


KINDS = ("one kind", "one colour", "touching")
NUMBERS = (2, 3, 4)  # of things
TRIES = 100  # places for a thing that is to touch another
LEAST = 0.5  # of the shorter of two sides, along which boxes touch
COLOURED = [name for name, category in CATEGORIES.items() if category.coloured]


def of_one_kind(rng: random.Random, number: int, split: str) -> Scene | None:
    """Things of one kind, each in another colour."""
    category = rng.choice(COLOURED)
    return _placed(rng, [(category, colour) for colour in rng.sample(list(COLOURS), number)], split)


def of_one_colour(rng: random.Random, number: int, split: str) -> Scene | None:
    """Different things in one colour."""
    colour = rng.choice(list(COLOURS))
    return _placed(rng, [(category, colour) for category in rng.sample(COLOURED, number)], split)


def touching(rng: random.Random, number: int, split: str) -> Scene | None:
    """Different things, each of which touches one before it; None where chance finds no place for one."""
    scene = sample_scene(rng, number, split)
    if len({thing.category for thing in scene.objects}) < number:
        return None
    boxes: list[Box] = [scene.objects[0].box]
    for thing in scene.objects[1:]:
        x0, y0, x1, y1 = thing.box
        places = (_beside(rng, rng.choice(boxes), x1 - x0, y1 - y0) for _ in range(TRIES))
        free = (box for box in places if _is_free(box, boxes))
        box = next(free, None)
        if box is None:
            return None
        boxes.append(box)
    return replace(scene, objects=tuple(replace(thing, box=box) for thing, box in zip(scene.objects, boxes)))


def _placed(rng: random.Random, things: list, split: str) -> Scene | None:
    return scene_of(rng, things) if split_of(things) == split else None


def _beside(rng: random.Random, box: Box, width: float, height: float) -> Box:
    """A box of that size that touches another along a part of one of its sides."""
    axis, sizes = rng.randrange(2), (width, height)
    low = [0.0, 0.0]
    low[axis] = rng.choice((box[axis] - sizes[axis], box[axis + 2]))
    other = 1 - axis
    along = LEAST * min(sizes[other], box[other + 2] - box[other])
    low[other] = rng.uniform(box[other] - sizes[other] + along, box[other + 2] - along)
    return low[0], low[1], low[0] + width, low[1] + height


def _is_free(box: Box, others: Sequence[Box]) -> bool:
    return min(box) >= 0 and max(box) <= 1 and all(shared(box, other) < 1e-6 for other in others)


SCENES = dict(zip(KINDS, (of_one_kind, of_one_colour, touching)))


def prompts(name: str, count: int, split: str = "dev") -> Iterator[dict]:
    """Records for `evaluate.py` of so many scenes, each with its "kind"; another name gives others."""
    streams = {
        (kind, number): wholly_related(_scenes(kind, number, split, f"neighbours, {kind}, {number}, {split}, {name}"))
        for kind in KINDS
        for number in NUMBERS
    }
    for place in range(count):
        kind, number = KINDS[place % len(KINDS)], NUMBERS[place // len(KINDS) % len(NUMBERS)]
        scene, description = next(streams[kind, number])
        yield prompt_of(scene, description, f"{name}-{place:04d}") | {"kind": kind}


def _scenes(kind: str, number: int, split: str, seed: str) -> Iterator[tuple[Scene, random.Random]]:
    rng = random.Random(seed)
    while True:
        if scene := SCENES[kind](rng, number, split):
            yield scene, rng


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the prompts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("file", type=Path, help="for the prompts, JSON lines")
    add("--name", default="development", help="of the scenes; another one gives others (default: %(default)s)")
    add("--count", type=int, default=200, help="how many (default: %(default)s)")
    add("--split", choices=["dev", "test"], default="dev", help="whose combinations (default: %(default)s)")
    arguments = parser.parse_args(argv)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    records = prompts(arguments.name, arguments.count, arguments.split)
    arguments.file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


if __name__ == "__main__":
    main()
