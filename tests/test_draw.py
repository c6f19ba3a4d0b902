"""Layouts as pictures."""

import numpy as np
import pytest
from growth import growth
from PIL import Image, ImageDraw

from spacetime_attn.layout.draw import draw_layout, picture_rows, region_colour, side_by_side
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


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5001, 0.6), (0.9999, 0, 1, 1), (0.2, 0.99999, 0.8, 1)])
def test_a_box_narrower_than_a_pixel_is_drawn(box):
    image = draw_layout(Layout((Region("a pea", box=box),)))
    assert region_colour(0) in {colour for _, colour in image.getcolors(512**2)}


def test_a_discs_outline_is_where_it_ends():
    white = Image.new("RGB", (400, 200), (255, 255, 255))
    image = draw_layout(Layout((Region("a ball", disc=(0.5, 0.5, 0.25)),)), white)
    assert [pixel(image, x, 0.5) == region_colour(0) for x in (0.245, 0.254, 0.26)] == [False, True, False]
    assert [pixel(image, 0.5, y) == region_colour(0) for y in (0.743, 0.755)] == [True, False]
    image = draw_layout(Layout((Region("the sea", disc=(-99.5, 0.5, 100)),)), white)
    assert [pixel(image, x, 0.5) == region_colour(0) for x in (0.49, 0.498, 0.505)] == [False, True, False]


def test_labels_that_would_cover_each_other_stand_below_each_other():
    one, two = (draw_layout(Layout((Region("a cat", box=(0, 0, 1, 1)),) * count)) for count in (1, 2))
    labels = [np.all(np.array(image) == region_colour(0), axis=2)[:, 4].sum() for image in (one, two)]
    assert labels[0] > 512 // 28 and np.all(np.array(two) == region_colour(1), axis=2)[labels[0] - 512 :, 4].any()


def test_the_time_does_not_grow_with_the_size_of_a_disc():
    assert growth(draw_layout, *(Layout((Region("a ball", disc=(0.5, 0.5, r)),)) for r in (0.2, 1e6))) < 10


def test_no_more_of_a_phrase_is_measured_than_may_fit(monkeypatch):
    measured, textlength = [], ImageDraw.ImageDraw.textlength

    def counting(self, text, *args, **options):
        measured.append(len(text))
        return textlength(self, text, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "textlength", counting)
    for phrase in ("a" * 500_000, "a " * 250_000):
        draw_layout(Layout((Region(phrase, box=(0, 0, 1, 1)),)))
    assert max(measured) <= 512 and len(measured) <= 2 * 10


def test_the_time_is_linear_in_the_number_of_regions_and_of_points():
    layouts = [Layout((Region("a cat", box=(0.1, 0.1, 0.9, 0.9)),) * count) for count in (50, 400)]
    assert growth(lambda layout: draw_layout(layout, width=128), *layouts) < 24  # and 64 if it were quadratic
    angles = [np.linspace(0, 6.28, count, endpoint=False) for count in (2_000, 16_000)]
    rounds = [Layout((Region("a hat", polygon=0.5 + 0.4 * np.stack([np.cos(a), np.sin(a)], 1)),)) for a in angles]
    assert growth(draw_layout, *rounds) < 24


@pytest.mark.parametrize("size", [{"width": 0}, {"width": -1}, {"height": 1.5}, {"width": True}, {"height": "3"}])
def test_a_drawings_size_is_whole_numbers_of_pixels(layout, size):
    with pytest.raises(ValueError, match="`(width|height)` of a drawing has to be a whole number of pixels from 1"):
        draw_layout(layout, **size)


def test_drawings_of_absurd_sizes_are_refused(layout):
    with pytest.raises(ValueError, match="1000000 x 1000000 pixels is too large"):
        draw_layout(layout, width=10**6)
    with pytest.raises(ValueError, match="320 x 3200000 pixels is too large"):
        draw_layout(layout, Image.new("RGB", (1, 10_000)))


def test_a_picture_may_be_as_narrow_as_it_likes(layout):
    assert draw_layout(layout, Image.new("RGB", (1000, 1)), width=100).size == (100, 1)
    assert side_by_side(Image.new("RGB", (8, 8)), Image.new("RGB", (1, 1000)), gap=0).size == (9, 8)


def test_an_empty_layout_leaves_the_picture_as_it_is():
    picture = Image.new("RGB", (32, 32), (1, 2, 3))
    assert draw_layout(Layout(), picture, width=32).tobytes() == picture.tobytes()


def test_pictures_stand_side_by_side_at_one_height():
    row = side_by_side(Image.new("RGB", (64, 64)), Image.new("L", (32, 16)), gap=4)
    assert row.size == (64 + 4 + 128, 64)
    with pytest.raises(ValueError, match="at least one"):
        side_by_side()


@pytest.mark.parametrize("shape", [{"box": (0.3125, 0.3125, 0.6875, 0.6875)}, {"disc": (0.5, 0.5, 0.1875)}])
def test_regions_that_act_are_dashed_within_those_that_are_drawn(shape):
    predicted = Layout((Region("a lamp", box=(0.125, 0.125, 0.875, 0.875)),))
    acting = predicted.edit("a lamp", **shape)
    before, after, line = (
        np.array(draw_layout(item, acting=inner))
        for item, inner in ((predicted, None), (predicted, acting), (acting, None))
    )
    changed, outline = (before != after).any(axis=2), (line == region_colour(0)).all(axis=2)
    outline[:256] = changed[:256] = False  # where the label is
    assert not np.any(changed & ~outline) and 0.4 < changed.sum() / outline.sum() < 0.6
    assert set(map(tuple, after[changed])) == {region_colour(0)}
    assert np.diff(changed.any(axis=0)).sum() > 6


def test_outlines_that_act_as_they_are_drawn_change_nothing(layout):
    drawing = draw_layout(layout)
    assert draw_layout(layout, acting=layout).tobytes() == drawing.tobytes()
    assert draw_layout(layout, acting=layout.edit("a lamp", strength=2)).tobytes() == drawing.tobytes()


def test_regions_that_act_are_of_the_same_objects(layout):
    with pytest.raises(ValueError, match="`acting` has to be of the objects .*'a pond'.*, got .'a lamp'"):
        draw_layout(layout, acting=Layout(layout.regions[:1]))


def test_pictures_stand_below_each_other_beside_their_layouts(layout):
    pictures = [Image.new("RGB", (320, 160), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    rows = picture_rows(pictures, [Layout(), layout])
    assert rows.size == (320 + 8 + 320, 160 + 8 + 160)
    assert rows.crop((0, 0, 320, 160)).tobytes() == rows.crop((328, 0, 648, 160)).tobytes() == pictures[0].tobytes()
    assert rows.crop((0, 168, 320, 328)).tobytes() == pictures[1].tobytes()
    assert rows.crop((328, 168, 648, 328)).tobytes() == draw_layout(layout, pictures[1]).tobytes()


@pytest.mark.parametrize("size, shown", [((64, 32), (320, 160)), ((400, 400), (400, 400)), ((1024, 1024), (512, 512))])
def test_rows_are_wide_enough_to_read_and_no_wider_than_they_need_to_be(size, shown):
    rows = picture_rows([Image.new("RGB", size)], [Layout()])
    assert rows.size == (2 * shown[0] + 8, shown[1])
