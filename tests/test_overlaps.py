"""Scenes of icon world in which two things overlap, and the prompts made of them."""

import random
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pytest

from spacetime_attn import RuleLayoutPredictor, default_model
from spacetime_attn.examples.evaluate import read_prompts
from spacetime_attn.examples.icon_world.overlaps import LEAST, MOST, main, overlapped, prompts, shared
from spacetime_attn.examples.icon_world.scenes import sample_scene, scene_stream, split_of


def shares(boxes) -> list[float]:
    """What each two of some boxes share, most first."""
    return sorted((shared(a, b) for a, b in combinations(boxes, 2)), reverse=True)


def test_the_share_is_that_of_the_smaller_box():
    assert shared((0, 0, 1, 1), (0.25, 0.5, 0.75, 1)) == 1
    assert shared((0, 0, 0.5, 1), (0.25, 0, 1, 1)) == 0.5 == shared((0.25, 0, 1, 1), (0, 0, 0.5, 1))
    assert shared((0, 0, 0.5, 0.5), (0.5, 0.5, 1, 1)) == 0


@pytest.mark.parametrize("number", [2, 3, 4])
def test_one_thing_is_moved_over_one_other(number):
    for scene, rng in islice(scene_stream("dev", "tests", number), 40):
        if found := overlapped(scene, rng):
            changed = [(a, b) for a, b in zip(scene.objects, found.objects) if a != b]
            [(before, after)] = changed
            assert (before.category, before.colour) == (after.category, after.colour)
            assert before.long_side == pytest.approx(after.long_side) and found.background == scene.background
            most, *others = shares(thing.box for thing in found.objects)
            assert LEAST <= most <= MOST and all(share < 0.07 for share in others)


def test_a_thing_alone_overlaps_nothing():
    assert overlapped(sample_scene(random.Random(0), 1), random.Random(0)) is None


def test_prompts_are_of_the_development_split_and_follow_from_their_name():
    records = list(prompts("a name", 12))
    assert records == list(prompts("a name", 12)) != list(prompts("another", 12))
    assert [len(record["objects"]) for record in records] == [2, 3, 4, 4, 4, 4] * 2
    for record in records:
        things = [(phrase.split()[-1], (None, *phrase.split()[:-1])[-1]) for phrase in record["objects"]]
        assert split_of(things) == "dev"
        most, *others = shares(record["boxes"])
        assert LEAST - 0.001 <= most <= MOST + 0.001 and all(share < 0.07 for share in others)
        related = {relation[role] for relation in record["relations"] for role in ("subject", "object")}
        assert related == set(record["objects"])


def test_the_benchmark_reads_them(tmp_path):
    main([str(tmp_path / "new" / "prompts.jsonl"), "--count", "6"])
    assert read_prompts(tmp_path / "new" / "prompts.jsonl") == list(prompts("development", 6))


def test_in_the_benchmark_predicted_regions_do_not_overlap():
    """So that its figures are the same with and without `depth_order`."""
    predict = RuleLayoutPredictor()
    for record in read_prompts(Path(default_model()).parent / "prompts_dev.jsonl"):
        acting = predict(record["prompt"]).with_scaled_boxes(0.6)
        np.testing.assert_array_equal(acting.masks(16, 16, depth_order=True), acting.masks(16, 16))
