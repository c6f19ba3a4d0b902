"""Scenes of icon world whose objects leak into each other, and the prompts made of them."""

import random
from itertools import combinations

import pytest

from spacetime_attn.examples.evaluate import read_prompts
from spacetime_attn.examples.icon_world.neighbours import KINDS, LEAST, main, prompts, touching
from spacetime_attn.examples.icon_world.overlaps import shared
from spacetime_attn.examples.icon_world.scenes import split_of


def things(record: dict) -> list[tuple[str, str | None]]:
    return [(phrase.split()[-1], (None, *phrase.split()[:-1])[-1]) for phrase in record["objects"]]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_prompts_are_of_each_kind_and_number_in_turn_and_of_their_split(split):
    records = list(prompts("a name", 18, split))
    assert [record["kind"] for record in records] == [*KINDS] * 6
    assert [len(record["objects"]) for record in records] == ([2] * 3 + [3] * 3 + [4] * 3) * 2
    for record in records:
        categories, colours = zip(*things(record))
        assert split_of(things(record)) == split and len({*record["objects"]}) == len(record["objects"])
        assert len({*categories}) == (1 if record["kind"] == "one kind" else len(categories))
        assert record["kind"] != "one colour" or len({*colours}) == 1
        related = {relation[role] for relation in record["relations"] for role in ("subject", "object")}
        assert related == {*record["objects"]}


def test_touching_things_share_a_part_of_a_side_and_no_area():
    rng = random.Random(0)
    scenes = [scene for scene in (touching(rng, 3, "dev") for _ in range(60)) if scene]
    assert scenes
    for scene in scenes:
        boxes = [thing.box for thing in scene.objects]
        assert all(shared(a, b) < 1e-6 for a, b in combinations(boxes, 2))
        assert all(any(_touch(box, other) for other in boxes[:place]) for place, box in enumerate(boxes) if place)


def _touch(a, b) -> bool:
    """Whether two boxes meet along so much of the shorter side."""
    for axis, other in ((0, 1), (1, 0)):
        meet = min(abs(a[axis] - b[axis + 2]), abs(b[axis] - a[axis + 2])) < 1e-9
        along = min(a[other + 2], b[other + 2]) - max(a[other], b[other])
        shorter = min(a[other + 2] - a[other], b[other + 2] - b[other])
        if meet and along >= LEAST * shorter - 1e-9:
            return True
    return False


def test_they_follow_from_their_name_and_the_benchmark_reads_them(tmp_path):
    main([str(tmp_path / "new" / "prompts.jsonl"), "--count", "6"])
    assert read_prompts(tmp_path / "new" / "prompts.jsonl") == list(prompts("development", 6))
    assert list(prompts("development", 6)) != list(prompts("another", 6))
