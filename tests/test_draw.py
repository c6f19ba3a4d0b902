"""Layouts as pictures."""

import numpy as np
import pytest
from PIL import Image

from spacetime_attn.layout.draw import draw_layout, region_colour, side_by_side
from spacetime_attn.layout.regions import Layout, Region


@pytest.fixture
def layout():
    return Layout(
        (
            Region("a lamp", box=(0.0, 0.0, 0.4, 0.5)),
            Region("a ball", disc=(0.75, 0.3, 0.2)),
            Region("a pond", mask=np.tri(8, dtype=np.float32)),
        )
    )


def pixel(image, x, y):
    return image.getpixel((int(x * image.width), int(y * image.height)))


def test_without_a_picture_there_is_a_plain_square_canvas(layout):
    assert draw_layout(layout).size == (512, 512)
    assert draw_layout(layout, width=128).size == (128, 128)
    assert draw_layout(layout, width=128).mode == "RGB"


def test_a_picture_keeps_its_size_and_stays_as_it_was(layout):
    picture = Image.new("RGBA", (480, 288), (10, 200, 30, 255))
    before = picture.copy()
    assert draw_layout(layout, picture).size == (480, 288)
    assert picture.tobytes() == before.tobytes()


def test_a_picture_too_small_for_labels_is_drawn_larger_in_its_own_ratio(layout):
    picture = Image.new("RGB", (64, 96))
    assert draw_layout(layout, picture).size == (320, 480)
    assert draw_layout(layout, picture, width=128).size == (128, 192)


def test_regions_are_tinted_in_their_own_colours_and_the_rest_is_left_alone(layout):
    white = Image.new("RGB", (256, 256), (255, 255, 255))
    image = draw_layout(layout, white)
    for index, (x, y) in enumerate([(0.35, 0.2), (0.75, 0.35), (0.1, 0.95)]):
        tint = np.array(pixel(image, x, y)) - 255.0
        wanted = np.array(region_colour(index)) - 255.0
        assert np.dot(tint, wanted) / np.linalg.norm(tint) / np.linalg.norm(wanted) > 0.99
    assert pixel(image, 0.97, 0.6) == (255, 255, 255)


def test_polygons_are_tinted_and_outlined():
    white = Image.new("RGB", (256, 256), (255, 255, 255))
    image = draw_layout(Layout((Region("a tent", polygon=((0, 0.9), (0.5, 0.1), (1, 0.9))),)), white)
    outline, inside, outside = (pixel(image, 0.5, y) for y in (0.895, 0.6, 0.95))
    assert outline == region_colour(0) and outside == (255, 255, 255) and inside not in (outline, outside)


def test_regions_carry_their_phrase(layout):
    renamed = Layout((Region("a chandelier", box=(0.0, 0.0, 0.4, 0.5)), *layout.regions[1:]))
    assert draw_layout(layout).tobytes() != draw_layout(renamed).tobytes()


def test_the_colours_of_many_regions_differ():
    assert len({region_colour(index) for index in range(24)}) == 24


@pytest.mark.parametrize("phrase", ["a very " + "long " * 60 + "phrase", "ein Bär 🐻", "two\nlines"])
@pytest.mark.parametrize("width", [16, 64])
def test_any_phrase_can_be_drawn_at_any_size(phrase, width):
    crowded = Layout(tuple(Region(phrase, box=(0.9, 0.9, 1, 1)) for _ in range(5)))
    assert draw_layout(crowded, width=width).size == (width, width)


def test_an_empty_layout_leaves_the_picture_as_it_is():
    picture = Image.new("RGB", (32, 32), (1, 2, 3))
    assert draw_layout(Layout(), picture, width=32).tobytes() == picture.tobytes()


def test_pictures_stand_side_by_side_at_one_height():
    row = side_by_side(Image.new("RGB", (64, 64)), Image.new("L", (32, 16)), gap=4)
    assert row.size == (64 + 4 + 128, 64)
    with pytest.raises(ValueError, match="at least one"):
        side_by_side()
