"""
Prompts with known answers, for benchmarks: `python examples/icon_world/prompts.py` writes the four files.
"""

import argparse
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from spacetime_attn.examples.icon_world.captions import Caption, caption, exact_caption
from spacetime_attn.examples.icon_world.scenes import WORLD, Scene, World, scene_stream


MANY = 300  # prompts of 2 to 4 objects
SINGLE = 100


def prompt_record(scene: Scene, id: str) -> dict:
    """
    The scene's prompt and what a picture of it has to show: {"id", "prompt", "objects", "relations", "boxes"}.

    Objects are phrases such as "red apple"; relations are {"subject", "relation", "object"} in those phrases, with the
    names of `RELATIONS`, as far as the prompt states them. The boxes, `(x0, y0, x1, y1)` in 0..1 in the order of the
    objects, are one layout that is right.
    """
    return prompt_of(scene, caption(scene, random.Random(id)), id)


def prompts(
    split: str, count: int = MANY, world: World = WORLD, numbers: Sequence[int] = (2, 3, 4, 4, 4, 4)
) -> Iterator[dict]:
    """
    Records of `count` prompts that state relations, in turn of these numbers of objects of different categories: a
    sixth each for 2 and 3 and two thirds for 4, if not told otherwise. Every object takes part in a relation, and
    nothing else is said of it than its colour.
    """
    scenes = {number: scene_stream(split, f"prompts of {number}", number, world) for number in set(numbers)}
    streams = {number: related(stream) for number, stream in scenes.items()}
    for place in range(count):
        scene, description = next(streams[numbers[place % len(numbers)]])
        yield prompt_of(scene, description, f"{split}-{place:04d}")


def single_prompts(split: str, count: int = SINGLE, world: World = WORLD) -> Iterator[dict]:
    """Records of `count` prompts for one object."""
    for place, (scene, rng) in enumerate(islice(scene_stream(split, "single prompts", 1, world), count)):
        yield prompt_of(scene, exact_caption(scene, rng), f"{split}-single-{place:04d}")


def related(scenes: Iterable[tuple[Scene, random.Random]]) -> Iterator[tuple[Scene, Caption]]:
    """The scenes of different categories that `wholly_related` leaves."""
    return wholly_related(
        (scene, rng) for scene, rng in scenes if len({thing.category for thing in scene.objects}) == len(scene.objects)
    )


def wholly_related(scenes: Iterable[tuple[Scene, random.Random]]) -> Iterator[tuple[Scene, Caption]]:
    """
    The scenes whose caption, by the generator beside each, relates every object to another and says nothing else than
    colours.
    """
    for scene, rng in scenes:
        description = exact_caption(scene, rng)
        if {place for i, _, j in description.relations for place in (i, j)} == set(range(len(scene.objects))):
            yield scene, description


def prompt_of(scene: Scene, description: Caption, id: str) -> dict:
    """The record of a scene with a caption of it, see `prompt_record`."""
    phrases = [thing.phrase for thing in scene.objects]
    return {
        "id": id,
        "prompt": description.text,
        "objects": phrases,
        "relations": [
            {"subject": phrases[i], "relation": name, "object": phrases[j]} for i, name, j in description.relations
        ],
        "boxes": [[round(side, 4) for side in thing.box] for thing in scene.objects],
    }


def main(argv: list[str] | None = None) -> None:
    """Writes prompts_dev.jsonl, prompts_dev_single.jsonl and the same for test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="folder for them (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    for split in ("dev", "test"):
        for name, records in ((split, prompts(split)), (f"{split}_single", single_prompts(split))):
            lines = [json.dumps(record) + "\n" for record in records]
            (arguments.output / f"prompts_{name}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
