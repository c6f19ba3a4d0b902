"""What a drawing means: in every mode of pictures, on every grid, and what is refused."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spacetime_attn.layout.regions import Region


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "HSV", "YCbCr", "I", "F", "I;16", "I;16B"]

WHITE = np.zeros((16, 24), dtype=np.uint8)  # on black
WHITE[4:12, 6:18] = 255
SOFT = np.linspace(0, 255, 16 * 24).astype(np.uint8).reshape(16, 24)


def mask_of(drawing) -> np.ndarray:
    return Region("a pond", mask=drawing).mask


def as_png(picture: Image.Image, **options) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


# --- greys -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", MODES)
def test_the_mode_of_a_picture_does_not_change_what_it_means(mode):
    assert np.array_equal(mask_of(Image.fromarray(WHITE).convert(mode)), WHITE / 255)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "RGB", "RGBA", "I", "F", "I;16"])
def test_the_mode_does_not_change_greys(mode):
    np.testing.assert_allclose(mask_of(Image.fromarray(SOFT).convert(mode)), SOFT / 255, atol=1e-7)


@pytest.mark.parametrize(
    "white, dtype", [(255, np.uint8), *((white, dtype) for white in (255, 65535) for dtype in ("u2", "i4", "f4"))]
)
def test_the_bit_depth_does_not_change_what_a_drawing_means(white, dtype):
    values = (white // 255 * SOFT.astype(int)).astype(dtype)
    for drawing in (values, values.tolist(), torch.tensor(values.astype(np.float32)), Image.fromarray(values)):
        np.testing.assert_allclose(mask_of(drawing), SOFT / 255, atol=1e-7)


def test_pictures_of_zeros_and_ones_are_masks():
    assert np.array_equal(mask_of(Image.fromarray(WHITE // 255).convert("I")), WHITE / 255)
    assert np.array_equal(mask_of(Image.fromarray(SOFT.astype(np.float32) / 255)), np.float32(SOFT) / np.float32(255))


@pytest.mark.parametrize("grey", [1, 10, 255])
@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_greys_of_8_bits_are_parts_of_255_however_dark(mode, grey):
    picture = Image.new("L", (8, 8), grey).convert(mode)
    for drawing in (picture, as_png(picture), Region("a pond", mask=picture).to_dict()["mask"]):
        assert np.array_equal(mask_of(drawing), np.full((8, 8), np.float32(grey) / np.float32(255)))


def test_a_deep_png_is_read_as_text():
    deep = Image.fromarray(257 * SOFT.astype(np.uint16))
    np.testing.assert_allclose(mask_of(as_png(deep)), SOFT / 255, atol=1e-7)


def test_greys_with_a_trace_of_colour_are_greys():
    tinted = np.stack([SOFT, SOFT, np.maximum(SOFT, 5) - 5], axis=2)
    np.testing.assert_allclose(mask_of(Image.fromarray(tinted)), SOFT / 255, atol=0.02)


# --- opacity -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (0, 0, 255), (90, 20, 160)])
@pytest.mark.parametrize("opacity", [255, 128, 10, 1])
def test_ink_on_transparent_paper_counts_by_its_opacity_whatever_its_colour(ink, opacity):
    picture = Image.new("RGBA", (24, 16), (*ink, 0))
    picture.paste((*ink, opacity), (6, 4, 18, 12))
    for drawing in (picture, as_png(picture)):
        assert np.array_equal(mask_of(drawing), np.float32(WHITE > 0) * np.float32(opacity / 255))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_a_transparent_colour_is_transparent_paper(mode):
    black = Image.fromarray(WHITE).convert(mode)
    transparent = (0, 0, 0) if mode == "RGB" else 0
    for drawing in (as_png(black, transparency=transparent), as_png(black.convert("L").convert("LA"))):
        assert np.array_equal(mask_of(drawing), WHITE / 255)


def test_a_picture_that_is_opaque_everywhere_counts_by_its_greys():
    assert np.array_equal(mask_of(Image.fromarray(SOFT).convert("RGBA")), np.float32(SOFT) / np.float32(255))


def test_a_picture_transparent_everywhere_is_empty():
    with pytest.raises(ValueError, match="`mask` of 'a pond' is empty"):
        mask_of(Image.new("RGBA", (8, 8), (255, 255, 255, 0)))


# --- what is refused ---------------------------------------------------------------------------------------------
def labels() -> Image.Image:
    picture = Image.fromarray(WHITE // 255)
    picture.putpalette([0, 0, 0, 128, 0, 0])
    return picture


@pytest.mark.parametrize("picture", [Image.new("RGB", (8, 8), "blue"), Image.new("RGBA", (8, 8), "red"), labels()])
def test_colours_are_refused_with_what_to_do(picture):
    with pytest.raises(ValueError, match="'a pond' is a picture in colours.*white on black, or .* transparent paper"):
        mask_of(picture)


@pytest.mark.parametrize("drawing", [WHITE // 85, np.full((4, 4), 400), np.full((4, 4), 70_000), -WHITE.astype(int)])
def test_labels_and_other_bit_depths_are_refused(drawing):
    with pytest.raises(ValueError, match=r"'a pond' has to lie in 0..1, or to be whole numbers.*`map == label`"):
        mask_of(drawing)


@pytest.mark.parametrize(
    "drawing", [[[0, None]], [["0", "1"]], [[1j, 0]], [[10**30, 1]], [], 5, {}, np.ones((2, 2), dtype=object)]
)
def test_what_holds_no_numbers_is_no_drawing(drawing):
    with pytest.raises(ValueError, match="`mask` of 'a pond' has to be real numbers"):
        mask_of(drawing)


def png_of_size(width: int, height: int) -> bytes:
    """What a PNG of that size begins with."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize("width, height", [(8200, 8200), (12_000, 12_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.filterwarnings("error")
def test_absurd_sizes_are_refused_unread(width, height):
    png = png_of_size(width, height) + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(ValueError, match="'a pond'.*too many.*make it smaller"):
        mask_of("data:image/png;base64," + base64.b64encode(png).decode())


def test_arrays_of_absurd_sizes_are_refused_too():
    with pytest.raises(ValueError, match="'a pond' has 100000 x 100000 pixels, which is too many"):
        mask_of(np.broadcast_to(np.uint8(1), (100_000, 100_000)))


@pytest.mark.parametrize("part", np.arange(0, 1, 0.05))
def test_broken_pngs_are_refused_by_name(part):
    png = base64.b64decode(as_png(Image.effect_noise((32, 32), 90)).partition(",")[2])
    with pytest.raises(ValueError, match="`mask` of 'a pond'"):
        mask_of("data:image/png;base64," + base64.b64encode(png[: int(part * len(png))]).decode())


# --- small things ------------------------------------------------------------------------------------------------
share = st.floats(0, 1)
grids = st.tuples(st.integers(1, 20), st.integers(1, 20))


@settings(deadline=None)
@given(share, share, st.floats(1e-6, 0.3), grids)
def test_a_disc_is_the_official_one_and_keeps_a_cell(x, y, radius, grid):
    height, width = grid
    mask = Region("a ball", disc=(x, y, radius)).rasterize(height, width)
    columns = np.arange(width, dtype=np.float32) / np.float32(width) - np.float32(x)
    rows = np.arange(height, dtype=np.float32) / np.float32(height) - np.float32(y)
    official = columns**2 + rows[:, None] ** 2 < np.float32(radius**2)
    assert np.array_equal(mask, official) if official.any() else mask.sum() == 1


@pytest.mark.parametrize("centre, cell", [((0.3, 0.9), (3, 1)), ((1.1, -0.05), (0, 3)), ((1.0, 1.0), (3, 3))])
def test_a_disc_too_small_for_the_grid_keeps_the_cell_of_its_centre(centre, cell):
    mask = Region("a ball", disc=(*centre, 0.12)).rasterize(4, 4)
    assert mask.sum() == 1 and mask[cell] == 1


@settings(deadline=None)
@given(share, share, st.floats(1e-6, 0.5), st.floats(0, 1), grids)
def test_a_box_keeps_a_cell_however_soft(x, y, side, softness, grid):
    box = (min(x, 0.999), min(y, 0.999), min(x + side, 1), min(y + side, 1))
    mask = Region("a pea", box=box, softness=softness).rasterize(*grid)
    at_least = 0.25 if softness else 1  # two edges that overlap, each half
    assert mask.max() >= at_least - 1e-6


@settings(deadline=None)
@given(st.lists(st.tuples(share, share), min_size=3, max_size=5), grids)
def test_a_polygon_keeps_a_cell(points, grid):
    try:
        region = Region("a tent", polygon=points)
    except ValueError:  # points on one line enclose nothing
        return
    assert region.rasterize(*grid).max() == 1


@pytest.mark.parametrize("lightest", [1, 0.5])
def test_a_speck_keeps_the_cell_that_it_fills_most(lightest):
    drawing = np.zeros((64, 64), dtype=np.float32)
    drawing[14:20, 30:34] = lightest  # over four cells, most of it in one
    mask = Region("a pea", mask=drawing).rasterize(4, 4)
    assert mask[1, 1] == lightest and mask[1, 2] < lightest / 10


def test_a_drawing_of_many_specks_keeps_their_area():
    drawing = np.zeros((64, 64), dtype=np.float32)
    drawing[::4, ::4] = 1
    assert np.array_equal(Region("rain", mask=drawing).rasterize(8, 8), np.full((8, 8), 1 / 16))
