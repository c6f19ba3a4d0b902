"""The layout of a part of the picture."""

import numpy as np
import pytest

from spacetime_attn import Layout, Region, Relation


LEFT_HALF, MIDDLE = (0, 0, 0.5, 1), (0.25, 0.25, 0.75, 0.75)
SHAPES = {
    "a box": {"box": (0.3, 0.3, 0.9, 0.6)},
    "a soft box": {"box": (0.3, 0.4, 0.9, 0.6), "softness": 0.2},
    "a disc": {"disc": (0.4, 0.5, 0.25)},
    "a polygon": {"polygon": ((0.1, 0.9), (0.5, 0.2), (0.9, 0.9))},
    "a mask": {"mask": np.tri(64, dtype=np.float32)},
}


def part_of(grid: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    height, width = grid.shape
    x0, y0, x1, y1 = box
    return grid[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)]


@pytest.mark.parametrize("box", [LEFT_HALF, MIDDLE], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_part_shows_of_a_region_what_the_picture_does(shape, box):
    region = Region("a cat", **SHAPES[shape])
    expected = part_of(region.rasterize(64, 64), box)
    [found] = Layout((region,)).cropped(box).regions
    difference = np.abs(found.rasterize(*expected.shape) - expected)
    assert expected.any() and difference.mean() < 0.02  # a disc counts pixels by their corners, a mask by areas


def test_boxes_and_discs_stay_what_they_are():
    layout = Layout((Region("a cat", box=(0.5, 0.5, 1, 1)), Region("a dog", disc=(0.5, 0.5, 0.2)))).cropped(MIDDLE)
    cat, dog = layout.regions
    assert cat.box == (0.5, 0.5, 1, 1) and dog.disc == (0.5, 0.5, 0.4)


def test_a_part_that_sticks_out_of_the_picture_is_empty_there():
    layout = Layout((Region("a cat", box=(0, 0, 1, 1)), Region("a dog", mask=np.ones((8, 8)))))
    for region in layout.cropped((-1, 0, 1, 1)).regions:
        np.testing.assert_array_equal(region.rasterize(2, 4), [[0, 0, 1, 1]] * 2)


def test_objects_outside_it_are_left_out_with_their_relations_and_those_to_the_picture():
    regions = [Region(name, box=(x, 0, x + 0.2, 1)) for name, x in (("a", 0.6), ("b", 0), ("c", 0.2), ("d", 0.5))]
    relations = [
        Relation(1, "left of", 2),
        Relation(2, "between", 1, 0),
        Relation(2, "right of", 1),
        Relation(1, "left"),
    ]
    layout = Layout(tuple(regions), tuple(relations), prompt="a b c d").cropped(LEFT_HALF)
    assert layout.phrases == ["b", "c"] and layout.prompt == "a b c d"
    assert [layout.describe(relation) for relation in layout.relations] == ["b left of c", "c right of b"]


@pytest.mark.parametrize("shape", SHAPES)
def test_of_a_region_elsewhere_nothing_is_left(shape):
    assert not Layout((Region("a cat", **SHAPES[shape]),)).cropped((1, 0, 2, 1)).regions


def test_the_rest_of_a_region_stays():
    region = Region("a cat", box=(0, 0, 1, 1), strength=2, end=0.5, negative_prompt="fog", description="a red cat")
    assert Layout((region,)).cropped(MIDDLE).regions == (region,)


@pytest.mark.parametrize("box", [(0, 0, 1), (0, 0, float("nan"), 1), (0.5, 0, 0.5, 1), "left"], ids=str)
def test_what_is_no_box_is_refused(box):
    with pytest.raises((ValueError, TypeError), match="`box`"):
        Layout().cropped(box)
