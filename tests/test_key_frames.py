"""A layout for each frame of a video, from those of a few."""

import json

import numpy as np
import pytest

from spacetime_attn import Layout, Region, Relation, interpolated_layouts


def moved(frame_boxes: dict, num_frames: int) -> list:
    """The boxes of one object in all frames."""
    key_frames = {frame: Layout((Region("a cat", box=box),)) for frame, box in frame_boxes.items()}
    return [layout["a cat"].box for layout in interpolated_layouts(key_frames, num_frames)]


def test_boxes_move_in_straight_lines_from_key_frame_to_key_frame():
    boxes = moved({0: (0, 0, 0.5, 1), 2: (0.5, 0, 1, 1), 4: (0.5, 0.5, 1, 1)}, 5)
    assert boxes == [(0, 0, 0.5, 1), (0.25, 0, 0.75, 1), (0.5, 0, 1, 1), (0.5, 0.25, 1, 1), (0.5, 0.5, 1, 1)]


def test_the_first_key_frame_holds_before_it_and_the_last_one_after_it():
    boxes = moved({3: (0.5, 0, 1, 1), 1: (0, 0, 0.5, 1)}, 6)
    assert boxes[:2] == [(0, 0, 0.5, 1)] * 2 and boxes[3:] == [(0.5, 0, 1, 1)] * 3


def test_one_key_frame_holds_for_all():
    layout = Layout((Region("a cat", mask=np.eye(4)),))
    assert interpolated_layouts({2: layout}, 4) == [layout] * 4


def test_discs_polygons_softness_and_strength_are_interpolated_and_the_rest_is_of_the_key_frame_before():
    triangle = ((0, 0), (0.5, 0), (0, 0.5))
    first = (
        Region("a cat", disc=(0, 0.5, 0.2), negative_prompt="fog", end=0.5),
        Region("a tent", polygon=triangle),
        Region("a sea", box=(0, 0, 1, 1), strength=0),
    )
    last = (
        Region("a cat", disc=(1, 0.5, 0.4)),
        Region("a tent", polygon=[(x + 0.5, y) for x, y in triangle]),
        Region("a sea", box=(0, 0, 1, 1), softness=0.2, strength=2),
    )
    cat, tent, sea = interpolated_layouts({0: Layout(first), 2: Layout(last)}, 3)[1]
    assert cat.disc == pytest.approx((0.5, 0.5, 0.3)) and (cat.negative_prompt, cat.end) == ("fog", 0.5)
    assert tent.polygon == tuple((x + 0.25, y) for x, y in triangle)
    assert (sea.softness, sea.strength) == (0.1, 1)


def test_objects_are_told_by_their_phrases_and_those_of_one_phrase_by_their_order():
    def layout(*placed) -> Layout:
        regions = tuple(Region(phrase, box=(x, 0, x + 0.2, 1)) for phrase, x in placed)
        return Layout(regions, (Relation(0, "left of", 1),), prompt="two cats and a dog")

    first, last = (
        layout(("a cat", 0), ("a cat", 0.4), ("a dog", 0.8)),
        layout(("a dog", 0), ("a cat", 0.4), ("a cat", 0)),
    )
    frames = interpolated_layouts({0: first, 4: last}, 5)
    assert {tuple(frame.phrases) for frame in frames} == {("a cat", "a cat", "a dog")}
    assert [region.box[0] for region in frames[2]] == pytest.approx([0.2, 0.2, 0.4])
    assert frames[2].prompt == "two cats and a dog" and not frames[2].relations


def test_layouts_may_be_dictionaries_or_files(tmp_path):
    data = {"objects": [{"phrase": "a cat", "box": [0, 0, 0.5, 1]}]}
    (tmp_path / "last.json").write_text(json.dumps(data))
    assert interpolated_layouts({0: data, 3: str(tmp_path / "last.json")}, 4) == [Layout.from_dict(data)] * 4


CAT = Layout((Region("a cat", box=(0, 0, 1, 1)),))


@pytest.mark.parametrize(
    "key_frames, message",
    [
        ({}, "`key_frames` has to be a dictionary"),
        ([CAT, CAT], "`key_frames` has to be a dictionary"),
        ({0: CAT, 4: CAT}, "a layout for frame 4, but the frames are 0..3"),
        ({-1: CAT}, "frame -1"),
        ({0.5: CAT}, "frame 0.5"),
        ({0: CAT, 1: Layout()}, "'a cat' is in the first one or in that of frame 1.*strength=0"),
        ({0: CAT, 1: Layout(CAT.regions * 2)}, "'a cat' .* not as often in both"),
        (
            {0: CAT, 2: Layout((Region("a cat", disc=(0, 0, 1)),))},
            "'a cat' has a box .* and a disc in the next: give it the same",
        ),
    ],
)
def test_key_frames_between_which_nothing_can_move_are_refused(key_frames, message):
    with pytest.raises(ValueError, match=message):
        interpolated_layouts(key_frames, 4)


def test_masks_and_polygons_of_other_points_are_refused_by_name():
    square = ((0, 0), (1, 0), (1, 1), (0, 1))
    for shapes, message in (
        ([{"mask": np.eye(4)}, {"mask": np.tri(4)}], "Masks cannot be interpolated: give 'a cat' a box"),
        ([{"polygon": square}, {"polygon": square[:3]}], "polygon of 'a cat' has 4 points .* and 3 in the next"),
    ):
        first, last = (Layout((Region("a cat", **shape),)) for shape in shapes)
        with pytest.raises(ValueError, match=message):
            interpolated_layouts({0: first, 3: last}, 4)


def test_the_number_of_frames_is_one():
    with pytest.raises(ValueError, match="`num_frames` has to be a whole number from 1, got 0"):
        interpolated_layouts({0: CAT}, 0)
