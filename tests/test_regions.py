"""Regions, relations and layouts as data."""

import errno
import io
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from spacetime_attn.layout.draw import draw_layout
from spacetime_attn.layout.regions import Layout, Region, Relation


CONTROLS = {
    "strength": 1.5,
    "start": 0.25,
    "end": 0.75,
    "negative_prompt": "sand",
    "description": "a reef with white surf",
    "order": 2,
    "adapters": {"coral": 0.8},
}


@pytest.fixture
def layout():
    return Layout(
        regions=(
            Region("a red kite", box=(0.1, 0.0, 0.5, 0.4)),
            Region("the boat", disc=(0.7, 0.8, 0.2)),
            Region("an island", mask=np.eye(4, dtype=np.float32)),
            Region("a cloud", box=(0.5, 0.0, 1.0, 0.25), softness=0.1),
            Region("a reef", polygon=[(0.0, 1.0), (0.25, 0.5), (0.5, 1.0)], **CONTROLS),
        ),
        relations=(Relation(0, "above", 1), Relation(1, "between", 0, 2), Relation(3, "top right")),
        prompt="A red kite flies above the boat.",
        background="a calm sea",
    )


# --- masks -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("height, width", [(64, 64), (8, 8), (7, 13), (96, 40), (1, 1), (2, 3)])
def test_masks_have_any_resolution(layout, height, width):
    masks = layout.masks(height, width)
    assert masks.shape == (5, height, width) and masks.dtype == np.float32
    assert masks.min() >= 0 and masks.max() <= 1


def test_an_empty_layout_has_no_masks():
    assert Layout().masks(8, 8).shape == (0, 8, 8)


def test_a_box_covers_the_pixels_whose_centre_it_holds():
    mask = Region("a cup", box=(0.25, 0.5, 1.0, 1.0)).rasterize(4, 8)
    expected = np.zeros((4, 8))
    expected[2:, 2:] = 1
    assert np.array_equal(mask, expected)


def test_a_box_smaller_than_a_pixel_keeps_one():
    assert Region("a pea", box=(0.30, 0.30, 0.31, 0.31)).rasterize(8, 8).sum() == 1


def test_a_soft_box_fades_and_is_half_at_its_side():
    mask = Region("a cloud", box=(0.25, 0.0, 0.75, 1.0), softness=0.2).rasterize(1, 1000)[0]
    assert mask[500] == 1 and mask[100] == 0
    assert mask[250] == pytest.approx(0.5, abs=0.01)
    assert np.all(np.diff(mask[:500]) >= 0) and len(np.unique(mask)) > 100


def test_a_disc_is_sampled_at_the_corners_of_pixels_as_in_the_official_code():
    mask = Region("a ball", disc=(0.5, 0.25, 0.2)).rasterize(16, 16)
    rows, columns = np.mgrid[:16, :16] / 16
    assert np.array_equal(mask, (columns - 0.5) ** 2 + (rows - 0.25) ** 2 < 0.2**2)


@pytest.mark.parametrize("kind", ["numpy", "bool", "torch", "cuda-like", "pil", "8-bit", "list"])
def test_masks_may_be_drawn_with_anything(kind):
    drawing = np.zeros((10, 20), dtype=np.float32)
    drawing[2:6, 5:15] = 1
    mask = {
        "numpy": drawing,
        "bool": drawing.astype(bool),
        "torch": torch.tensor(drawing),
        "cuda-like": torch.tensor(drawing, requires_grad=True),
        "pil": Image.fromarray((255 * drawing).astype(np.uint8)),
        "8-bit": (255 * drawing).astype(np.uint8),
        "list": drawing.tolist(),
    }[kind]
    region = Region("a pond", mask=mask)
    assert np.array_equal(region.rasterize(10, 20), drawing)
    assert region.bounds == pytest.approx((0.25, 0.2, 0.75, 0.6))


def test_drawn_masks_keep_their_area_at_other_resolutions():
    drawing = np.zeros((32, 32), dtype=np.float32)
    drawing[8:24, 4:20] = 1
    region = Region("a pond", mask=drawing)
    for size in (8, 16, 24, 64):
        assert region.rasterize(size, size).mean() == pytest.approx(0.25, abs=0.02)


def test_a_polygon_covers_the_pixels_whose_centre_it_holds():
    mask = Region("a tent", polygon=((0, 1), (0.5, 0), (1, 1))).rasterize(20, 30)
    y, x = (np.mgrid[:20, :30] + 0.5) / np.array([20, 30])[:, None, None]
    assert np.array_equal(mask, np.abs(x - 0.5) < y / 2) and mask.dtype == np.float32


def test_a_polygon_in_the_shape_of_a_box_is_that_box():
    x0, y0, x1, y1 = box = (0.21, 0.33, 0.78, 0.92)
    corners = Region("a cup", polygon=((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
    for size in ((64, 64), (7, 13), (1, 1)):
        assert np.array_equal(corners.rasterize(*size), Region("a cup", box=box).rasterize(*size))
    assert corners.bounds == box and corners.centre == Region("a cup", box=box).centre


def test_what_a_polygon_encloses_twice_is_outside():
    points = [(0.5 + 0.5 * np.sin(angle), 0.5 - 0.5 * np.cos(angle)) for angle in 0.8 * np.pi * np.arange(5)]
    star = Region("a star", polygon=points).rasterize(40, 40)
    assert star[20, 20] == 0 and star[8, 20] == 1 and star[5, 5] == 0


def test_a_polygon_without_a_pixels_centre_keeps_the_pixels_of_its_points():
    mask = Region("a thread", polygon=((0.0, 0.0), (1.0, 0.01), (1.0, 0.0))).rasterize(4, 4)
    assert mask.sum() == 2 and mask[0, 0] == mask[0, 3] == 1


def test_a_mask_may_be_a_tensor_in_half_precision():
    drawing = torch.eye(8, dtype=torch.bfloat16) / 2
    assert np.array_equal(Region("a pond", mask=drawing).rasterize(8, 8), np.eye(8) / 2)


def test_masks_cannot_be_changed_afterwards():
    drawing = np.ones((4, 4), dtype=np.float32)
    region = Region("a pond", mask=drawing)
    drawing[:] = 0
    assert region.rasterize(4, 4).all()
    with pytest.raises(ValueError):
        region.mask[0, 0] = 0


def test_any_region_becomes_the_official_disc(layout):
    discs = layout.with_discs()
    assert [region.disc[2] for region in discs.regions] == [0.2] * 5
    assert {name: getattr(discs.regions[4], name) for name in CONTROLS} == CONTROLS
    assert discs.regions[0].disc[:2] == pytest.approx((0.3, 0.2))
    assert discs.phrases == layout.phrases and discs.relations == layout.relations


def test_boxes_are_scaled_about_their_centres_within_the_picture(layout):
    half, large = layout.with_scaled_boxes(0.5), layout.with_scaled_boxes(1.5)
    assert half.regions[0].box == pytest.approx((0.2, 0.1, 0.4, 0.3))
    assert large.regions[0].box == pytest.approx((0.0, 0.0, 0.6, 0.5))
    assert half.regions[3].box == pytest.approx((0.625, 0.0625, 0.875, 0.1875)) and half.regions[3].softness == 0.1
    assert [half.regions[index] for index in (1, 2, 4)] == [layout.regions[index] for index in (1, 2, 4)]
    assert half.phrases == layout.phrases and half.relations == layout.relations
    assert layout.with_scaled_boxes(1) == layout


# --- strength and time -------------------------------------------------------------------------------------------
def test_a_region_acts_at_every_step_with_strength_one(layout):
    assert np.array_equal(layout.strengths(6)[:4], np.ones((4, 6))) and layout.strengths(6).dtype == np.float32
    assert Layout().strengths(6).shape == (0, 6)


def test_a_region_acts_with_its_strength_from_start_to_end(layout):
    assert layout.strengths(8)[4].tolist() == [0, 0, 1.5, 1.5, 1.5, 1.5, 0, 0]


@pytest.mark.parametrize("steps", [7, 30, 50])
@pytest.mark.parametrize("time", [0.2, 1 / 3, 0.5, 0.9])
def test_what_ends_and_what_starts_then_share_no_step_and_leave_none_out(steps, time):
    first, second = Region("a", box=(0, 0, 1, 1), end=time), Region("b", box=(0, 0, 1, 1), start=time)
    assert (first.strengths(steps) + second.strengths(steps)).tolist() == [1] * steps


def test_a_span_shorter_than_a_step_acts_in_the_one_it_lies_in():
    region = Region("a spark", box=(0, 0, 1, 1), start=0.51, end=0.52)
    assert region.strengths(10).tolist() == [0] * 5 + [1] + [0] * 4
    assert region.strengths(1).tolist() == [1]


# --- JSON --------------------------------------------------------------------------------------------------------
def test_json_round_trip(layout, tmp_path):
    layout.save(tmp_path / "layout.json")
    again = Layout.load(tmp_path / "layout.json")
    assert again.to_dict() == layout.to_dict()
    assert again == layout
    assert (again.relations, again.prompt, again.background) == (layout.relations, layout.prompt, "a calm sea")
    assert np.array_equal(again.masks(16, 16), layout.masks(16, 16))


def test_json_has_one_form_for_every_kind_of_region(layout):
    data = json.loads(json.dumps(layout.to_dict()))
    assert (data["version"], data["background"]) == (3, "a calm sea")
    assert data["objects"][:2] == [
        {"phrase": "a red kite", "box": [0.1, 0.0, 0.5, 0.4]},
        {"phrase": "the boat", "disc": [0.7, 0.8, 0.2]},
    ]
    assert data["objects"][3:] == [
        {"phrase": "a cloud", "box": [0.5, 0.0, 1.0, 0.25], "softness": 0.1},
        {"phrase": "a reef", "polygon": [[0.0, 1.0], [0.25, 0.5], [0.5, 1.0]]} | CONTROLS,
    ]
    assert Layout.from_dict(data).regions == layout.regions


def test_the_form_in_the_documentation_is_read():
    text = Layout.from_dict.__doc__
    data = json.loads(text[text.index("{\n") : text.index("Each object")])
    assert Layout.from_dict(data).to_dict() == data | {"objects": Layout.from_dict(data).to_dict()["objects"]}
    assert Layout.from_dict(data).regions[0].end == 0.6


def test_what_has_its_default_is_left_out_of_json():
    data = Layout((Region("a cat", box=(0, 0, 1, 1)),)).to_dict()
    objects = [{"phrase": "a cat", "box": [0.0, 0.0, 1.0, 1.0]}]
    assert data == {"version": 3, "prompt": "", "objects": objects, "relations": []}


OLD_OBJECTS = [
    {"phrase": "a pond", "mask": [[0, 0.3], [1, 0]]},
    {"phrase": "a cat", "box": [0, 0, 0.5, 1], "softness": 0.1},
    {"phrase": "a ball", "disc": [0.5, 0.5, 0.2]},
]


@pytest.mark.parametrize("version", [{}, {"version": 1}, {"version": 2}, {"version": 3}])
def test_files_without_a_version_and_of_earlier_ones_are_read(version, tmp_path):
    relations = [{"subject": 0, "relation": "left of", "object": 1}]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(version | {"prompt": "a pond", "objects": OLD_OBJECTS, "relations": relations}))
    layout = Layout.load(path)
    assert np.array_equal(layout.regions[0].mask, np.float32([[0, 0.3], [1, 0]]))
    assert layout.regions[1:] == (
        Region("a cat", box=(0, 0, 0.5, 1), softness=0.1),
        Region("a ball", disc=(0.5, 0.5, 0.2)),
    )
    assert layout.relations == (Relation(0, "left of", 1),) and layout.background is None
    assert {(region.description, region.order, region.adapters) for region in layout.regions} == {(None, None, None)}
    assert layout.to_dict()["version"] == 3 and Layout.from_dict(layout.to_dict()) == layout


def test_all_that_version_2_had_is_read():
    tent = {"phrase": "a tent", "polygon": [[0.0, 1.0], [0.5, 0.0], [1.0, 1.0]], "strength": 1.5, "start": 0.2}
    sea = Region("the sea", mask=np.eye(8, dtype=np.uint8) * 200, negative_prompt="a ship").to_dict()
    layout = Layout.from_dict({"version": 2, "objects": [tent, sea]})
    assert sea["mask"].startswith("data:image/png;base64,") and layout.regions[0].strength == 1.5
    assert [region.to_dict() for region in layout.regions] == [tent, sea]


@pytest.mark.parametrize("values", ["binary", "8-bit", "one bit of 255", "float"])
def test_drawings_pass_through_json_without_loss(values, tmp_path):
    noise = np.random.default_rng(0).random((48, 32), dtype=np.float32)
    mask = {
        "binary": noise > 0.5,
        "8-bit": (noise * 255).astype(np.uint8),
        "one bit of 255": np.eye(4, dtype=np.float32) / 255,
        "float": noise,
    }[values]
    layout = Layout((Region("a pond", mask=mask),))
    layout.save(tmp_path / "layout.json")
    assert np.array_equal(Layout.load(tmp_path / "layout.json").regions[0].mask, layout.regions[0].mask)


def test_large_drawings_make_small_files(tmp_path):
    drawing = np.zeros((512, 512), dtype=np.float32)
    drawing[100:300, 50:400] = 1
    Layout((Region("a pond", mask=drawing),)).save(tmp_path / "layout.json")
    assert (tmp_path / "layout.json").stat().st_size < 4096


def test_a_region_shows_its_description_or_its_phrase(layout):
    assert layout.regions[4].local_text == "a reef with white surf"
    assert layout.regions[0].local_text == layout.without_descriptions().regions[0].local_text == "a red kite"
    bare = layout.without_descriptions()
    assert [region.local_text for region in bare.regions] == layout.phrases
    assert bare.regions[4].adapters == {"coral": 0.8} and bare.background == layout.background


def test_relations_to_the_picture_have_a_null_object(layout):
    data = json.loads(json.dumps(layout.to_dict()))
    assert data["relations"] == [
        {"subject": 0, "relation": "above", "object": 1},
        {"subject": 1, "relation": "between", "object": 0, "second_object": 2},
        {"subject": 3, "relation": "top right", "object": None},
    ]


def test_layouts_are_coerced_from_what_users_have(layout, tmp_path):
    layout.save(tmp_path / "layout.json")

    class Foreign:
        def to_dict(self):
            return layout.to_dict()

    for given in (layout, layout.to_dict(), str(tmp_path / "layout.json"), tmp_path / "layout.json", Foreign()):
        assert Layout.coerce(given).to_dict() == layout.to_dict()
    with pytest.raises(TypeError, match="`layout`"):
        Layout.coerce(3)


def test_layouts_print_readably(layout):
    assert "a red kite: box (0.10, 0.00, 0.50, 0.40)" in str(layout)
    assert "a red kite above the boat" in str(layout)
    assert "an island: mask within (0.00, 0.00, 1.00, 1.00)\n" in str(layout)
    reef = "a reef: polygon within (0.00, 0.50, 0.50, 1.00), strength 1.5, from 0.25 to 0.75, not 'sand'"
    assert reef in str(layout)
    assert "the boat between a red kite and an island" in str(layout)
    assert str(Layout()) == "no objects"


# --- as a collection, and in a notebook --------------------------------------------------------------------------
def test_a_layout_is_indexed_by_number_and_by_phrase(layout):
    assert layout[0] is layout["a red kite"] is layout["Red Kite"] is layout.regions[0]
    assert layout[-1] is layout.regions[-1]


@pytest.mark.parametrize("index, error", [("a dragon", ValueError), (5, IndexError), (-6, IndexError)])
def test_what_is_no_object_of_a_layout_is_told_with_those_that_are(layout, index, error):
    with pytest.raises(error, match="names 0 objects .*a red kite"):
        layout[index]


def test_a_slice_of_a_layout_is_its_regions(layout):
    assert layout[1:3] == layout.regions[1:3] and layout[:] == layout.regions and layout[9:] == ()


def test_a_layout_goes_through_its_regions(layout):
    assert tuple(layout) == layout.regions
    assert [region.phrase for region in layout] == layout.phrases
    assert layout.regions[1] in layout and len(layout) == len(layout.regions) and layout and not Layout()


def test_a_notebook_shows_a_layout_as_its_drawing(layout):
    with Image.open(io.BytesIO(layout._repr_png_())) as shown:
        assert shown.tobytes() == draw_layout(layout).tobytes()


# --- editing -----------------------------------------------------------------------------------------------------
def test_editing_replaces_a_shape_and_leaves_the_original(layout):
    edited = layout.edit("Red Kite", box=(0.5, 0.5, 1.0, 1.0))
    assert edited.regions[0].box == (0.5, 0.5, 1.0, 1.0)
    assert layout.regions[0].box == (0.1, 0.0, 0.5, 0.4)
    assert edited.regions[1:] == layout.regions[1:] and edited.relations == layout.relations


def test_a_new_shape_replaces_the_old_kind_and_its_soft_edge(layout):
    region = layout.edit("cloud", disc=(0.5, 0.5, 0.1)).regions[3]
    assert region.box is None and region.softness == 0 and region.disc == (0.5, 0.5, 0.1)


def test_objects_are_edited_by_index_too(layout):
    assert layout.edit(3, softness=0.3).regions[3].softness == 0.3
    assert layout.edit(-1, strength=2).regions[-1].strength == 2


def test_editing_one_thing_leaves_the_others(layout):
    reef = layout.regions[4]
    assert layout.edit("a reef", box=(0, 0, 1, 1)).regions[4] == Region("a reef", box=(0, 0, 1, 1), **CONTROLS)
    assert layout.edit("a reef", end=0.5).regions[4].to_dict() == reef.to_dict() | {"end": 0.5}
    assert layout.edit("a reef", polygon=((0, 0), (1, 0), (0, 1))).regions[4].strength == 1.5
    assert layout.edit("a reef", description="a bare reef").regions[4].local_text == "a bare reef"
    defaults = {"strength": 1, "start": 0, "end": 1} | dict.fromkeys(("negative_prompt", "description"))
    cleared = layout.edit("a reef", order=None, adapters=None, **defaults).regions[4]
    assert cleared.to_dict() == {"phrase": "a reef", "polygon": [[0.0, 1.0], [0.25, 0.5], [0.5, 1.0]]}


@pytest.mark.parametrize("phrase, error", [("a dragon", ValueError), (5, IndexError)])
def test_editing_an_unknown_object_lists_the_known_ones(layout, phrase, error):
    with pytest.raises(error, match="names 0 objects .*a red kite"):
        layout.edit(phrase, box=(0, 0, 1, 1))


def test_editing_an_ambiguous_phrase_asks_for_the_index():
    twins = Layout((Region("a dog", box=(0, 0, 0.5, 1)), Region("a dog", box=(0.5, 0, 1, 1))))
    with pytest.raises(ValueError, match="2 objects .* index"):
        twins.edit("a dog", disc=(0.5, 0.5, 0.1))
    assert twins.edit(1, disc=(0.5, 0.5, 0.1)).regions[1].disc


# --- bad input ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "shape, words",
    [
        ({"box": (0, 0, 1.2, 1)}, ["box", "0..1", "1.2", "Divide"]),
        ({"box": (-0.1, 0, 1, 1)}, ["box", "-0.1"]),
        ({"box": (0.5, 0, 0.5, 1)}, ["x0 < x1", "0.5"]),
        ({"box": (0, 0.6, 1, 0.4)}, ["y0 < y1"]),
        ({"box": (0, 0, 1)}, ["box", "4"]),
        ({"box": (0, 0, 1, float("nan"))}, ["box", "finite"]),
        ({"box": "wide"}, ["box", "4 numbers", "wide"]),
        ({"disc": (0.5, 0.5, 0)}, ["disc", "radius above 0"]),
        ({"disc": (2.0, 0.5, 0.2)}, ["disc", "outside the picture"]),
        ({"disc": (0.5, float("inf"), 0.2)}, ["disc", "finite"]),
        ({"mask": np.zeros((4, 4))}, ["mask", "empty"]),
        ({"mask": np.zeros((0, 4))}, ["mask", "(0, 4)"]),
        ({"mask": np.ones((3, 4, 4))}, ["mask", "(3, 4, 4)"]),
        ({"mask": np.full((4, 4), 2.0)}, ["mask", "0..1", "2.0"]),
        ({"mask": np.full((4, 4), np.nan)}, ["mask", "nan"]),
        ({"mask": "pond.png"}, ["mask", "no PNG", "pond.png", "data:image/png;base64,"]),
        ({"mask": "data:image/png;base64,AAAA"}, ["mask", "no PNG"]),
        ({"mask": "data:image/png;base64,?"}, ["mask", "no PNG"]),
        ({"polygon": ((0, 0), (1, 1))}, ["polygon", "three points"]),
        ({"polygon": 3}, ["polygon", "three points", "3"]),
        ({"polygon": ((0, 0), (1, 1), (0.5,))}, ["polygon", "2 finite numbers", "0.5"]),
        ({"polygon": ((0, 0), (1, 1), 0.5)}, ["polygon", "2 numbers"]),
        ({"polygon": ((0, 0), (32, 0), (0, 1))}, ["polygon", "0..1", "32", "Divide"]),
        ({"polygon": ((0, 0), (0.5, 0.5), (1, 1))}, ["polygon", "one line"]),
        ({"polygon": ((0, 0), (1, 0), (0, 1)), "softness": 0.1}, ["softness", "boxes"]),
        ({"box": (0, 0, 1, 1), "softness": -1}, ["softness", "-1"]),
        ({"box": (0, 0, 1, 1), "strength": -0.5}, ["strength", "lie in 0..", "-0.5"]),
        ({"box": (0, 0, 1, 1), "strength": float("inf")}, ["strength", "finite"]),
        ({"box": (0, 0, 1, 1), "strength": None}, ["strength", "None"]),
        ({"box": (0, 0, 1, 1), "start": -0.1}, ["start", "0..1", "-0.1"]),
        ({"box": (0, 0, 1, 1), "end": 50}, ["end", "0..1", "50"]),
        ({"box": (0, 0, 1, 1), "start": 0.5, "end": 0.5}, ["start", "before", "end", "0.5"]),
        ({"box": (0, 0, 1, 1), "negative_prompt": ["blue"]}, ["negative_prompt", "string", "blue"]),
        ({"box": (0, 0, 1, 1), "description": 3}, ["description", "string", "3"]),
        ({"box": (0, 0, 1, 1), "description": " "}, ["description", "empty", "leave it out"]),
        ({"box": (0, 0, 1, 1), "order": 1.5}, ["order", "whole number", "1.5"]),
        ({"box": (0, 0, 1, 1), "order": "front"}, ["order", "whole number", "front"]),
        ({"box": (0, 0, 1, 1), "order": True}, ["order", "whole number", "True"]),
        ({"box": (0, 0, 1, 1), "adapters": ["coral"]}, ["adapters", "dictionary", "coral"]),
        ({"box": (0, 0, 1, 1), "adapters": {3: 0.8}}, ["adapters", "name", "3"]),
        ({"box": (0, 0, 1, 1), "adapters": {"coral": "much"}}, ["adapters['coral']", "number", "much"]),
        ({"disc": (0.5, 0.5, 0.2), "softness": 0.1}, ["softness", "boxes"]),
        ({}, ["exactly one"]),
        ({"box": (0, 0, 1, 1), "disc": (0.5, 0.5, 0.2)}, ["exactly one"]),
    ],
)
def test_bad_shapes_are_named_with_phrase_value_and_remedy(shape, words):
    with pytest.raises((ValueError, TypeError)) as error:
        Region("the pond", **shape)
    assert all(word in str(error.value) for word in ["the pond", *words])


@pytest.mark.parametrize("phrase", ["", "  ", None, 3])
def test_a_region_needs_a_phrase(phrase):
    with pytest.raises(ValueError, match="`phrase`"):
        Region(phrase, box=(0, 0, 1, 1))


@pytest.mark.parametrize("relation", [Relation(0, "above", 5), Relation(-1, "above", 0), Relation("a", "above", 0)])
def test_relations_point_at_objects_of_the_layout(relation):
    with pytest.raises(ValueError, match="above.*has 1 objects"):
        Layout((Region("a cat", box=(0, 0, 1, 1)),), (relation,))


@pytest.mark.parametrize(
    "data, words",
    [
        ([], ["objects", "[]"]),
        ({"objects": "none"}, ["objects"]),
        ({"objects": [], "version": 99}, ["version 99", "Update"]),
        ({"objects": [], "version": "new"}, ["version", "new"]),
        ({"objects": [], "version": 0}, ["version", "0"]),
        ({"objects": [], "background": ["the sea"]}, ["background", "string", "the sea"]),
        ({"objects": [], "prompt": 3}, ["prompt", "string", "3"]),
        ({"objects": [], "regions": []}, ["unknown keys", "regions", "known keys", "relations"]),
        ({"objects": [{"phrase": "a cat", "box": [0, 0, 1, 1], "negative": "x"}]}, ["unknown keys", "'negative'"]),
        ({"objects": [{"phrase": "a cat", "box": [0, 0, 1, 1], "end": "late"}]}, ["end", "late"]),
        ({"objects": [{"phrase": "a cat", "box": [0, 0, 1, 1], "order": "first"}]}, ["order", "a cat", "first"]),
        ({"objects": [{"box": [0, 0, 1, 1]}]}, ["lacks", "phrase"]),
        ({"objects": [{"phrase": "a cat", "bbox": [0, 0, 1, 1]}]}, ["bbox", "known keys"]),
        ({"objects": ["a cat"]}, ["object", "a cat"]),
        ({"objects": [], "relations": [{"subject": 0}]}, ["lacks", "relation"]),
    ],
)
def test_what_is_no_layout_is_refused(data, words):
    with pytest.raises((ValueError, TypeError)) as error:
        Layout.from_dict(data)
    assert all(word in str(error.value) for word in words)


def test_broken_files_are_refused_with_their_name(tmp_path, layout):
    path = tmp_path / "layout.json"
    layout.save(path)
    path.write_text(path.read_text()[:100])
    with pytest.raises(ValueError, match="layout.json.*not valid JSON"):
        Layout.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="layout.json.*not valid JSON"):
        Layout.load(path)
    with pytest.raises(ValueError, match="There is no layout file .*mis"):
        Layout.load(tmp_path / "missing.json")


CAT = {"phrase": "a cat", "box": [0, 0, 1, 1]}
HUGE = 10**400


@pytest.mark.parametrize(
    "field, data",
    [
        (field, CAT | {field: value})
        for field in ("softness", "strength", "start", "end")
        for value in (True, HUGE, 1e39, "1")
    ]
    + [("box", CAT | {"box": box}) for box in ("0011", [0, 0, 1, True], [0, 0, 1, HUGE], [0, 0, None, 1], {"x0": 0})]
    + [("disc", {"phrase": "a cat", "disc": disc}) for disc in ([0, 0, HUGE], [0.5, 0.5, 1e7], [1e300, 0.5, 1e300], 1)]
    + [("polygon", {"phrase": "a cat", "polygon": p}) for p in ([[0, 0], [1, 0], [1, None]], ["ab", "cd", "ef"], {})]
    + [("mask", {"phrase": "a cat", "mask": mask}) for mask in ([[None]], [[HUGE]], ["01"], {}, [[float("nan")]])]
    + [("order", CAT | {"order": order}) for order in (True, 1.5, float("nan"))]
    + [("adapters['x']", CAT | {"adapters": {"x": value}}) for value in (True, float("inf"), HUGE, None)]
    + [(name, CAT | {name: "\ud800"}) for name in ("phrase", "negative_prompt", "description")],
)
def test_what_is_wrong_in_a_file_is_named_with_it(field, data, tmp_path):
    path = tmp_path / "layout.json"
    path.write_text(json.dumps({"objects": [data]}))
    with pytest.raises(ValueError) as error:
        Layout.load(path)
    assert "layout.json' holds no layout: " in str(error.value) and f"`{field}`" in str(error.value)


@pytest.mark.parametrize("index", [True, 0.0, 0.5, HUGE, float("nan"), "0", None])
def test_relations_are_between_whole_numbers(index):
    with pytest.raises(ValueError, match="points at object .* whole numbers from 0"):
        Layout.from_dict({"objects": [CAT, CAT], "relations": [{"subject": index, "relation": "above", "object": 1}]})


@pytest.mark.parametrize("version", [True, None, 2.0, HUGE])
def test_the_version_is_a_whole_number(version):
    with pytest.raises(ValueError, match="ersion.*(has to be a whole number|newer)"):
        Layout.from_dict({"objects": [], "version": version})


def test_numbers_of_any_real_type_are_numbers():
    for number in (1, np.float16(1), np.int64(1), np.array(1.0), torch.tensor(1)):
        region = Region("a cat", box=(0, 0, number, number), strength=number, adapters={"coral": number})
        assert json.loads(json.dumps(region.to_dict()["box"])) == [0, 0, 1, 1] and region.strength == 1
    assert Region("a cat", box=torch.tensor([0, 0, 0.5, 1])).box == (0, 0, 0.5, 1)


def test_numbers_of_more_digits_than_can_be_written_are_refused():
    with pytest.raises(ValueError, match="`strength` of 'a cat' has to be a finite number, got a huge number"):
        Region("a cat", box=(0, 0, 1, 1), strength=10**5000)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_read_over(layout, tmp_path, encoding):
    layout = layout.edit(0, phrase="a café")
    text = json.dumps(layout.to_dict(), ensure_ascii=False)
    (tmp_path / "layout.json").write_text(text, encoding=encoding)
    assert Layout.load(tmp_path / "layout.json") == layout


def test_halves_of_characters_in_prompt_and_background_are_replaced(tmp_path):
    layout = Layout(prompt="a cat \ud83d, a café", background="\udc00")
    assert (layout.prompt, layout.background) == ("a cat \ufffd, a café", "\ufffd")
    layout.save(tmp_path / "layout.json")
    assert Layout.load(tmp_path / "layout.json") == layout


@pytest.mark.parametrize("name, value", [("prompt", None), ("prompt", 3), ("background", b"the sea")])
def test_prompt_and_background_are_text(name, value):
    with pytest.raises(TypeError, match=f"`{name}` of a layout has to be a string"):
        Layout(**{name: value})


@pytest.mark.parametrize("name", ["objects", "relations"])
def test_layouts_of_too_many_parts_are_refused_before_any_is_read(name):
    with pytest.raises(ValueError, match=f'"{name}" of a layout has 5000 entries; up to 4096 are read'):
        Layout.from_dict({"objects": []} | {name: [None] * 5000})
    assert len(Layout.from_dict({"objects": [CAT] * 4096})) == 4096


def test_files_far_too_large_are_refused_unread(tmp_path):
    with (tmp_path / "layout.json").open("wb") as file:
        file.truncate(2**40)  # of zeros, which take no place on the disk
    with pytest.raises(ValueError, match="layout.json' holds no layout: it has more than 64 MB"):
        Layout.load(tmp_path / "layout.json")


def test_what_could_not_be_read_again_is_not_saved(layout, tmp_path):
    path = tmp_path / "layout.json"
    layout.save(path)
    with pytest.raises(ValueError, match="cannot be saved: it has more than 64 MB. Draw its masks smaller"):
        Layout(prompt="a" * 2**26).save(path)
    assert Layout.load(path) == layout


def test_a_full_disk_leaves_the_old_layout(layout, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "layout.json"
    layout.save(path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device: .*layout.json"):
        Layout().save(path)
    assert Layout.load(path) == layout and os.listdir(tmp_path) == ["layout.json"]


def test_regions_of_other_kinds_are_refused():
    with pytest.raises(TypeError, match="`regions`.*dict"):
        Layout(regions=({"phrase": "a cat"},))
