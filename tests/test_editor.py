"""The page without a browser: what it keeps of a visitor, how it draws, and what it gives away."""

import io
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest
import torch
from diffusers import PixArtSigmaPipeline
from gradio.components.image_editor import EditorData
from gradio.data_classes import FileData
from PIL import Image
from test_adapters import add_ip_adapter
from transformer_pipelines import made, quiet

from spacetime_attn import (
    Layout,
    Region,
    Relation,
    SpaceTimeAttnPipeline,
    WeightOptimizer,
    default_model,
    draw_again,
    read_picture,
    spacetime_attention,
)
from spacetime_attn.cli import main
from spacetime_attn.controlled import ControlledPipeline
from spacetime_attn.editor import mask_editor
from spacetime_attn.editor.abilities import Abilities
from spacetime_attn.editor.canvas import canvas_value
from spacetime_attn.editor.drawing import CancelledError, Finished, Progress, Run, Studio, _Watch, blend_of
from spacetime_attn.editor.drawing_events import DrawingEvents, _differences, _usual
from spacetime_attn.editor.layout_events import LayoutEvents, adapters_in, text_of_adapters
from spacetime_attn.editor.mask_editor import MaskEditor
from spacetime_attn.editor.notices import notice, noticed
from spacetime_attn.editor.page import UPLOAD_LIMIT, serve
from spacetime_attn.editor.parts import Parts
from spacetime_attn.editor.reading import Reader, Wishes
from spacetime_attn.editor.scene import Scene, bounds_of, check_layout, with_bounds
from spacetime_attn.editor.settings import Settings, curve_of, default_curve, settings_of
from spacetime_attn.pictures import Making, as_png
from spacetime_attn.processors.defaults import PRESETS


ROOT = Path(__file__).parent.parent
PROMPT = "a red apple to the left of a blue car"
APPLE, CAR = Region("a red apple", box=(0.1, 0.4, 0.4, 0.7)), Region("a blue car", box=(0.6, 0.4, 0.9, 0.7))
DOG = Region("a dog", box=(0.5, 0.75, 0.9, 1.0))
LAYOUT = Layout((APPLE, CAR), (Relation(0, "left of", 1),), PROMPT)
SETTINGS = Settings(width=32, height=32, steps=4, guidance=5.0, seed=3, upscale_strength=0.5)


def png(side: int) -> bytes:
    """A square."""
    data = io.BytesIO()
    Image.new("1", (side, side)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def scene() -> Scene:
    return Scene().read(PROMPT, LAYOUT)


# Scenes


def test_a_new_prompt_replaces_a_layout_that_is_as_it_was_read(scene):
    other = Layout((CAR,), prompt="a blue car")
    assert scene.read("a blue car", other).layout == other


def test_edited_boxes_stay_while_the_prompt_has_the_same_objects(scene):
    moved = scene.moved(0, (0.0, 0.0, 0.3, 0.3), resized=False)
    read = moved.read(PROMPT + ", oil on canvas", replace(LAYOUT, prompt=PROMPT + ", oil on canvas"))
    assert read.layout.regions == moved.layout.regions and read.offered is None
    assert read.layout.prompt == read.prompt == PROMPT + ", oil on canvas"


def test_other_objects_are_a_question_with_two_answers(scene):
    bus = Region("a green bus", box=(0.5, 0.1, 0.9, 0.3))
    moved = scene.moved(0, (0.0, 0.0, 0.3, 0.3), resized=False).with_new((0.4, 0.4, 0.6, 0.6))
    asked = moved.read("a red apple and a green bus", Layout((APPLE, bus)))
    assert asked.layout.phrases == ["a red apple", "a blue car", "something"] and asked.offered is not None
    kept = asked.kept(asked.offered)
    assert kept.layout.phrases == ["a red apple", "a green bus", "something"] and kept.edited
    assert kept.layout[0].box == (0.0, 0.0, 0.3, 0.3) and kept.offered is None
    anew = asked.placed_anew(asked.offered)
    assert anew.layout[0].box == APPLE.box and not anew.edited and anew.offered is None
    assert anew.undone().layout.phrases == ["a red apple", "a blue car", "something"]


def test_each_of_two_alike_keeps_its_own_box():
    dogs = Layout((Region("a dog", box=(0, 0, 0.2, 0.2)), Region("a dog", box=(0.5, 0, 0.7, 0.2))))
    scene = Scene().read("two dogs", dogs).moved(1, (0.7, 0.7, 0.9, 0.9), resized=False)
    boxes = [region.box for region in scene.kept(dogs).layout]
    assert boxes == [(0, 0, 0.2, 0.2), (0.7, 0.7, 0.9, 0.9)]


def test_what_the_visitor_did_with_each_box_stays(scene):
    longer = Layout((APPLE, CAR, DOG), (Relation(0, "left of", 1), Relation(2, "below", 0)), PROMPT + " above a dog")
    deleted = scene.without(1).kept(longer)
    assert deleted.layout.regions == (APPLE, DOG) and deleted.layout.relations == (Relation(1, "below", 0),)
    renamed = scene.picked(0).changed(phrase="a green apple")
    assert renamed.kept(longer).layout.phrases == ["a green apple", "a blue car", "a dog"]
    assert renamed.kept(Layout((CAR,))).layout.phrases == ["a blue car", "a green apple"]
    doubled = scene.with_new().changed(phrase="a blue car").kept(longer)
    assert doubled.layout.phrases == ["a red apple", "a blue car", "a dog", "a blue car"]
    by_hand = scene.with_new((0, 0, 0.1, 0.1)).changed(phrase="a dog").kept(longer)
    assert by_hand.layout[2].box == (0.0, 0.0, 0.1, 0.1) and len(by_hand.layout) == 3


def test_what_the_prompt_says_of_an_edited_box_follows_the_prompt():
    def said(colour, relation):
        man = Region("a man", box=(0.1, 0.1, 0.4, 0.9), description=f"a man in a {colour} coat")
        return Layout((man, DOG), (Relation(0, relation, 1),), f"a man in a {colour} coat {relation} a dog")

    red, blue = said("red", "left of"), said("blue", "right of")
    moved = Scene().read(red.prompt, red).moved(0, (0.5, 0.1, 0.8, 0.9), resized=False)
    read = moved.read(blue.prompt, blue)
    assert read.offered is None and read.layout[0].box == (0.5, 0.1, 0.8, 0.9) and read.selected == 0
    assert read.layout[0].description == "a man in a blue coat" and read.layout.relations == blue.relations
    assert read.undone().layout[0] == blue[0]
    own = moved.changed(description="a man in a kilt").read(blue.prompt, blue)
    assert own.layout[0].description == "a man in a kilt"
    cat = Region("a cat", box=(0, 0, 0.1, 0.1))
    assert moved.kept(replace(blue, regions=(*blue, cat))).layout[0].description == "a man in a blue coat"


def test_a_step_back_brings_the_question_back(scene):
    moved = scene.moved(0, (0.0, 0.0, 0.3, 0.3), resized=False)
    anew = moved.read("a dog", dog := Layout((DOG,), prompt="a dog")).placed_anew(dog)
    back = anew.read("a dog, oil on canvas", replace(dog, prompt="a dog, oil on canvas")).undone()
    assert back.layout == moved.layout and back.edited and back.offered.phrases == ["a dog"]
    assert back.read(PROMPT, LAYOUT).offered is None and back.undone().layout == LAYOUT


def test_boxes_of_a_picture_may_be_others_than_those_of_its_prompt():
    picture = Layout((APPLE, replace(CAR, description="a toy car")), prompt=PROMPT)
    opened = Scene().opened(PROMPT, picture, Layout((CAR, DOG), prompt=PROMPT), ((), ()))
    assert opened.layout == picture and opened.offered is None
    read = opened.read("an old picture", Layout((CAR, DOG), (Relation(0, "above", 1),), "an old picture"))
    assert read.layout.phrases == ["a blue car", "a red apple"] and read.layout[0].description == "a toy car"
    assert read.layout.relations == ()


def test_a_picture_that_was_opened_is_a_step_back_to_the_prompt_before(scene):
    moved = scene.moved(0, (0.0, 0.0, 0.3, 0.3), resized=False)
    dog = Layout((DOG,), prompt="a dog")
    opened = moved.opened("a dog", dog, dog, (("a hat",), ()))
    later = opened.read("a dog, oil on canvas", dog).moved(0, (0.0, 0.0, 0.3, 0.3), resized=False)
    back = later.undone()
    assert back.layout == dog and back.prompt == "a dog, oil on canvas" and back.corrections is None
    before = back.undone()
    assert before.corrections == (("a hat",), ()) and before.undone().layout == LAYOUT
    assert (before.prompt, before.layout, before.offered, before.edited) == (PROMPT, moved.layout, None, True)


def test_every_step_can_be_undone_and_typing_is_one_step(scene):
    steps = [
        lambda scene: scene.moved(1, (0.5, 0.5, 0.9, 0.9), resized=True),
        lambda scene: scene.changed(description="a toy car"),
        lambda scene: scene.changed(description="a toy car of tin"),
        lambda scene: scene.changed(strength=2.0),
        lambda scene: scene.in_depth(front=False),
        lambda scene: scene.with_new(),
        lambda scene: scene.without(0),
    ]
    after = [scene]
    for step in steps:
        after.append(step(after[-1]))
    layouts = [after[-1].layout]
    last = after[-1]
    while last.past:
        last = last.undone()
        layouts.append(last.layout)
    del after[2]  # typing
    assert layouts == [one.layout for one in reversed(after)] and not last.edited


def test_loras_of_a_region_are_a_line_of_text():
    adapters = {"anna": 0.8, "other": -1.0}
    assert text_of_adapters(adapters) == "anna: 0.8, other: -1"
    assert adapters_in(text_of_adapters(adapters)) == adapters
    assert adapters_in("anna, other : .5,") == {"anna": 1.0, "other": 0.5} and adapters_in(" ") is None
    assert adapters_in("anna:v2: 0.5") == {"anna:v2": 0.5}
    for text in ("anna: much", ":0.5", "anna:"):
        with pytest.raises(ValueError, match=f"as in .* not as '{text}'"):
            adapters_in(text)


def test_what_is_said_of_a_deleted_region_goes_with_it(scene):
    three = replace(scene, layout=Layout((APPLE, CAR, CAR), (Relation(0, "above", 1), Relation(2, "above", 0))))
    left = three.without(1).layout
    assert left.regions == (APPLE, CAR) and left.relations == (Relation(1, "above", 0),)


@pytest.mark.parametrize(
    "region",
    [
        Region("a thing", box=(0.2, 0.2, 0.4, 0.6), softness=0.1),
        Region("a thing", disc=(0.3, 0.4, 0.1)),
        Region("a thing", polygon=[(0.2, 0.2), (0.4, 0.2), (0.3, 0.6)]),
        Region("a thing", mask=np.pad(np.ones((30, 20)), ((20, 50), (20, 60)))),
    ],
    ids=["box", "disc", "polygon", "mask"],
)
def test_a_region_of_any_shape_is_moved(region):
    x0, y0, x1, y1 = bounds_of(region)
    target = (x0 + 0.3, y0 - 0.1, x1 + 0.3, y1 - 0.1)
    moved = with_bounds(region, target, resized=False)
    assert bounds_of(moved) == pytest.approx(target, abs=0.02) and moved.softness == region.softness
    assert type(moved) is Region and [moved.box is None, moved.disc is None] == [
        region.box is None,
        region.disc is None,
    ]


def test_a_disc_is_resized_by_the_side_that_is_dragged():
    disc = Region("a thing", disc=(0.5, 0.5, 0.2))
    assert with_bounds(disc, (0.3, 0.3, 0.8, 0.7)).disc == pytest.approx((0.55, 0.5, 0.25))
    assert with_bounds(disc, (0.3, 0.3, 0.7, 0.6)).disc == pytest.approx((0.5, 0.45, 0.15))


@pytest.mark.parametrize(
    "step",
    [
        lambda scene: scene.moved(7, (0, 0, 1, 1), False),
        lambda scene: scene.moved(-1, (0, 0, 1, 1), False),
        lambda scene: scene.moved("0", (0, 0, 1, 1), False),
        lambda scene: scene.moved(0, (0, 0, 2, 2), False),
        lambda scene: scene.moved(0, (0, 0, 1), False),
        lambda scene: scene.moved(0, [None] * 4, False),
        lambda scene: scene.moved(0, "abcd", False),
        lambda scene: scene.picked(True),
        lambda scene: scene.with_new((0.5, 0.5, 0.1, 0.1)),
        lambda scene: scene.without(None),
        lambda scene: scene.changed(strength=1.0),
        lambda scene: scene.picked(0).changed(phrase=" "),
        lambda scene: scene.picked(0).changed(start=1.0),
    ],
)
def test_what_a_browser_sends_is_checked(scene, step):
    with pytest.raises((ValueError, TypeError)):
        step(scene)


def test_there_is_an_end_to_new_regions(scene):
    with pytest.raises(ValueError, match="delete one first"):
        for _ in range(100):
            scene = scene.with_new()


def test_layouts_from_outside_have_a_size(scene):
    check_layout(scene.layout)
    circle = [(0.5 + 0.4 * np.cos(angle), 0.5 + 0.4 * np.sin(angle)) for angle in np.linspace(0, 6, 5000)]
    for regions in ([APPLE] * 65, [Region("a ring", polygon=circle)]):
        with pytest.raises(ValueError, match="the page takes 64 regions with 4096 points"):
            check_layout(Layout(regions))


def test_the_canvas_gets_plain_data(scene):
    mask = Region("a mask", mask=np.eye(4))
    polygon = Region("a polygon", polygon=[(0, 0), (1, 0), (0, 1)])
    shown = canvas_value(replace(scene, layout=Layout((APPLE, Region("a disc", disc=(0.9, 0.5, 0.2)), mask, polygon))))
    assert [region["kind"] for region in shown["regions"]] == ["box", "disc", "mask", "polygon"]
    assert json.loads(json.dumps(shown)) == shown and shown["regions"][1]["bounds"][2] == pytest.approx(1.1)
    assert sorted(region["depth"] for region in shown["regions"]) == [0, 1, 2, 3]


# Reading


@pytest.fixture(scope="module")
def shipped() -> SpaceTimeAttnPipeline:
    return SpaceTimeAttnPipeline.from_pretrained(default_model())


@pytest.fixture(scope="module")
def reader(shipped) -> Reader:
    return Reader(shipped)


def wishes(reader, **options) -> Wishes:
    return Wishes(**{"width": 64, "height": 64, "predictor": reader.default} | options)


def test_objects_relations_and_the_rest_are_told(reader):
    read = reader.read("a red apple above a man with a hat in a garden, no dogs", wishes(reader))
    assert read.layout.phrases == ["a red apple", "a man"] == list(read.names) == list(read.placed)
    told = "\n".join(read.told)
    assert "a red apple above a man" in told and "drawn as “a man in a hat”" in told and "a garden (place)" in told
    assert "without a region: dogs (absent)" in told


def test_words_are_struck_and_added(reader):
    prompt = "a red apple beside a blue car in soft light"
    read = reader.read(prompt, wishes(reader, struck=("a blue car",), added=("light",)))
    assert read.layout.phrases == ["a red apple", "light"] == list(read.placed)
    assert read.names == ("a red apple", "a blue car", "light")
    with pytest.raises(ValueError, match="does not stand in the prompt"):
        reader.read(prompt, wishes(reader, added=("giraffe",)))


def test_layouts_are_predicted_as_the_visitor_wishes(reader):
    def box(**options):
        return reader.read("an elephant beside a cup", wishes(reader, **options)).layout[0].box

    learned = {"predictor": "transformer"}
    assert box(**learned) == box(**learned, seed=1) != box(predictor="rules")
    drawn = [box(**learned, temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert box(**learned, width=128) != box(**learned)


def test_what_is_warned_of_is_told(reader):
    read = reader.read("lovely", wishes(reader))
    assert not read.layout.regions and any("No object was found" in line for line in read.told)
    assert any("not English" in line for line in reader.read("ein roter Apfel auf dem Tisch", wishes(reader)).told)


@pytest.mark.parametrize(
    "syntax, prompt, description",
    [("a1111", "a (red:1.3) apple", "a (red:1.3) apple"), ("compel", '("a red++ apple").and()', "a (red)1.21 apple")],
)
def test_weights_are_read_in_the_syntax_that_is_chosen(reader, syntax, prompt, description):
    assert syntax in reader.syntaxes and reader.syntax == "plain"
    read = reader.read(prompt, wishes(reader, syntax=syntax))
    assert list(read.names) == ["a red apple"] and read.layout[0].description == description
    assert reader.read("a red apple", wishes(reader, syntax="plain")).layout[0].description is None


@pytest.fixture(scope="module")
def events(reader) -> LayoutEvents:
    with gr.Blocks():
        return LayoutEvents(Parts(reader, SETTINGS, (1.0,) * 6, Abilities()), reader)


def test_words_with_weights_are_struck_and_added_by_what_they_say(events, reader):
    prompt, others = "a (red:1.3) apple and a blue car in (soft:1.2) light", (64, 64, reader.default, 0, 0)
    for syntax in ("a1111", "plain"):
        read = events.read(prompt, Scene(), ("a red apple", "a dog"), (), *others, syntax)
        assert read.layout.phrases == ["a blue car"] and read.names == ("a red apple", "a blue car")
        shown = events.named("soft light", read, prompt, Scene(), (), (), *others, syntax)
        assert "soft light" in shown[events._parts.scene].layout.phrases
    with pytest.raises(ValueError, match="does not stand in the prompt"):
        events.named("a giraffe", read, prompt, Scene(), (), (), *others, "a1111")


def test_words_that_stand_elsewhere_too_are_an_object(events, reader):
    prompt, others = "a street lamp beside a red apple lights the street", (64, 64, reader.default, 0, 0, "plain")
    read = events.read(prompt, Scene(), (), (), *others)
    assert "a street lamp" in read.placed and "street" not in read.placed
    shown = events.named("street", read, prompt, Scene(), (), (), *others)
    assert shown[events._parts.scene].layout.phrases == ["a street lamp", "a red apple", "the street"]


@pytest.mark.parametrize("words", ["apple", "a blue car in soft light"])
def test_words_of_an_object_are_an_object_in_its_place_alone(events, reader, words):
    prompt, others = "a red apple and a blue car in soft light", (64, 64, reader.default, 0, 0, "plain")
    whole = "a red apple" if words == "apple" else "a blue car"
    read = events.read(prompt, Scene(), (), (), *others)
    with pytest.raises(ValueError, match=f"“{words}” and “{whole}” share words .* untick “{whole}” first"):
        events.named(words, read, prompt, Scene(), (), (), *others)
    read = events.read(prompt, Scene(), (whole,), (), *others)
    shown = events.named(words, read, prompt, Scene(), (whole,), (), *others)
    assert len(shown[events._parts.scene].layout) == 2


def test_a_step_back_brings_back_what_was_there_before_a_picture(events, reader):
    parts, others = events._parts, (64, 64, reader.default, 0, 0, "plain")
    before = events.submitted(PROMPT, Scene(), ("a blue car",), (), *others)[parts.scene]
    dog = Layout((DOG,), prompt="a dog")
    opened = before.opened("a dog", dog, dog, (("a blue car",), ()))
    shown = events.undone(1, "a dog", opened, (), (), *others)
    assert shown[parts.prompt] == PROMPT and shown[parts.struck] == ("a blue car",)
    assert shown[parts.scene] == before and shown[parts.read].placed == ("a red apple",)
    assert parts.prompt not in events.undone(1, PROMPT, before.with_new(), ("a blue car",), (), *others)


def test_boxes_make_way_for_another_layout_with_a_word(events, reader, scene, monkeypatch):
    told, parts = [], events._parts
    monkeypatch.setattr("spacetime_attn.editor.layout_events.warn", told.append)
    placing = ((), (), 64, 64, "transformer")
    read = events.placed_otherwise(PROMPT, scene, *placing, 1.0, 1, "plain")[parts.scene]
    moved = read.moved(0, (0.0, 0.0, 0.3, 0.3), resized=False)
    assert events.placed_otherwise(PROMPT, moved, *placing, 1.0, 1, "plain")[parts.scene] == moved and told == []
    other = events.another(PROMPT, moved, *placing, 1.0, 1, "plain")[parts.scene]
    assert other.layout != moved.layout == other.undone().layout and "Undo brings them back" in told[0]


def test_a_field_of_a_region_goes_back_from_what_is_refused(events, scene, monkeypatch):
    told, parts = [], events._parts
    monkeypatch.setattr("spacetime_attn.editor.layout_events.warn", told.append)
    shown = events._change("start", float)(1.0, scene.picked(0))
    assert shown[parts.start].value == 0.0 and parts.scene not in shown and "start" in told[0]


def test_a_second_click_on_an_answer_changes_nothing(events, scene):
    keep = events._answer(Scene.kept)
    asked = scene.without(0).read("a dog", Layout((DOG,), prompt="a dog"))
    answered = keep(asked)[events._parts.scene]
    assert answered.layout.regions == (DOG,) and keep(answered)[events._parts.scene] == answered


def test_fields_that_nobody_changed_change_nothing(events, scene):
    loras = {"anna": 0.12345678, "a, b": 1.0}
    chosen = scene.picked(0).changed(softness=0.1).changed(adapters=loras)
    assert events.unmasked(chosen)[events._parts.scene] == chosen
    assert events._parts.scene not in events.adapted(text_of_adapters(loras), chosen)
    changed = events.adapted("anna: 0.5", chosen)[events._parts.scene]
    assert changed.region.adapters == {"anna": 0.5}


@pytest.fixture(scope="module")
def with_pictures(reader) -> LayoutEvents:
    """The events of a page whose model has an IP-Adapter."""
    with gr.Blocks():
        return LayoutEvents(Parts(reader, SETTINGS, (1.0,) * 6, Abilities(("anna",), pictures=True)), reader)


def test_a_region_gets_a_picture_that_is_undone_and_taken_away(with_pictures, scene, tmp_path):
    parts, tall = with_pictures._parts, Image.Exif()
    tall[274] = 6  # turned by a quarter
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.jpg", exif=tall)
    shown = with_pictures.pictured(str(tmp_path / "a.jpg"), scene.picked(1))[parts.scene]
    assert shown.region.image.size == (40, 60) and shown.layout[0].image is None
    taken = with_pictures._change("image", lambda nothing: None)(None, shown)[parts.scene]
    assert taken.region.image is None and taken.undone().layout == shown.layout
    assert shown.undone().region.image is None


def test_the_field_of_a_picture_shows_where_there_is_something_to_do(events, with_pictures, scene):
    pictured = scene.picked(1).changed(image=Image.new("RGB", (8, 8)))
    for page, chosen, visible in (
        (with_pictures, scene, True),
        (with_pictures, pictured, True),
        (events, scene.picked(1), False),
        (events, pictured, True),
    ):
        field = page.view(chosen)[page._parts.image]
        assert field["visible"] is visible and field["interactive"] is (chosen.selected is not None)
        assert field["value"] is (chosen.region and chosen.region.image)


@pytest.mark.parametrize(
    "content, complaint",
    [
        (b"nothing", "it is none of PNG, JPEG, WEBP"),
        (png(side=2**13 + 8), "it has 8200 x 8200 pixels; make it smaller"),
        (png(side=64)[:45], "cannot be opened: "),
    ],
    ids=["no picture", "too large", "cut off"],
)
def test_what_is_no_picture_for_a_region_is_told_and_the_field_is_as_before(
    with_pictures, scene, tmp_path, monkeypatch, content, complaint
):
    told = []
    monkeypatch.setattr("spacetime_attn.editor.layout_events.warn", told.append)
    (tmp_path / "a.png").write_bytes(content)
    shown = with_pictures.pictured(str(tmp_path / "a.png"), scene.picked(1))
    assert list(shown) == [with_pictures._parts.image] and shown[with_pictures._parts.image]["value"] is None
    assert complaint in told[0]


def test_drawings_that_are_too_large_are_not_decoded(tmp_path):
    assert MaskEditor().get_block_name() == "imageeditor"
    for side, count in ((384, 3), (2900, 2), (5000, 1)):
        Image.new("1", (side, side)).save(path := tmp_path / "drawing.png")
        drawing = EditorData(layers=[FileData(path=str(path), orig_name="drawing.png")] * count)
        if side == 384:
            assert len(MaskEditor(type="pil").preprocess(drawing)["layers"]) == count
        else:
            with pytest.raises(gr.Error, match="draw a smaller mask"):
                MaskEditor(type="pil").preprocess(drawing)


def test_prompts_without_end_are_refused(reader):
    with pytest.raises(ValueError, match="shorten it"):
        reader.read("a cat " * 1000, wishes(reader))
    assert reader.read(" ", wishes(reader)).layout.regions == ()


# Settings


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"width": 60}, "divisible by 8"),
        ({"width": None}, "width has to be a whole number"),
        ({"height": 4096}, "in 8..2048"),
        ({"steps": 0}, "number of steps"),
        ({"steps": 1.5}, "number of steps"),
        ({"seed": -1}, "seed"),
        ({"seed": float("nan")}, "seed"),
        ({"pictures": 100}, "number of pictures"),
        ({"best_of": "x"}, "Best of"),
        ({"guidance": 1e9}, "guidance"),
        ({"upscale": 99}, "Upscale"),
        ({"upscale_strength": 0}, "Drawn anew"),
        ({"stride": -8}, "“Window stride” has to be a whole number in 0..4096"),
        ({"adapter_layers": "some"}, "LoRAs of regions act in all or cross_attention, got 'some'"),
        ({"width": 2048, "upscale": 4}, "side of 8192 pixels"),
    ],
)
def test_settings_that_make_no_sense_are_named(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(SETTINGS, **changes)


def test_weights_of_other_regions_or_steps_are_refused():
    for rows in (((1.0,) * 4,), ((1.0,) * 5,) * 2):
        with pytest.raises(ValueError, match="click “Back to the checkpoint's weights” first"):
            replace(SETTINGS, rows=rows).options(LAYOUT, "guided")


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_the_checkpoints_curve_stands_for_its_weights(blend):
    curve = default_curve(PRESETS["early"], blend)
    strength = 5.0 if blend == "guided" else 0.5
    assert curve[0] == pytest.approx(strength, rel=0.01) and curve[-1] == 0 and sorted(curve, reverse=True) == [*curve]
    [row, same] = replace(SETTINGS, steps=10, curve=curve).options(LAYOUT, blend)["weights"]
    assert row == same and sum(row) * (2 if blend == "guided" else 1) == pytest.approx(strength * 10 / 4, rel=0.05)
    assert curve_of([row, same], blend)[0] == pytest.approx(curve[0], rel=0.25)


# Drawing


@pytest.fixture
def studio(pipe, tmp_path) -> Studio:
    return Studio(pipe, tmp_path)


def finished(studio, settings: Settings = SETTINGS, run: Run | None = None) -> tuple[list[Progress], Finished]:
    *progress, end = studio.draw(PROMPT, LAYOUT, settings, run or Run())
    return progress, end


def test_a_run_tells_each_step_and_gives_pictures_that_remember(studio):
    progress, end = finished(studio, replace(SETTINGS, pictures=2, negative_prompt="a dog"))
    assert [(news.done, news.total) for news in progress] == [(n, 5) for n in range(1, 6)]  # PLMS takes one more
    assert [drawn.seed for drawn in end.pictures] == [3, 4] and end.warned == ()
    for index, drawn in enumerate(end.pictures):
        making = read_picture(drawn.path)
        again = draw_again(studio.pipe, making)
        assert again.images[index].tobytes() == Image.open(drawn.path).tobytes() and making.layout == LAYOUT


def test_the_page_draws_what_the_pipeline_draws(pipes, tmp_path):
    pipe, _ = pipes
    [drawn] = finished(Studio(pipe, tmp_path))[1].pictures
    options = {"width": 32, "height": 32, "num_inference_steps": 4, "guidance_scale": 5.0}
    same = pipe(PROMPT, layout=LAYOUT, generator=torch.Generator().manual_seed(3), **options).images[0]
    assert Image.open(drawn.path).tobytes() == same.tobytes()


def test_the_settings_of_a_picture_come_back(studio):
    options = {"blend": "guided", "curve": (3.0, 1.0, 0.0), "depth_order": True, "prompt_syntax": "plain"}
    options |= {"background": "snow", "upscale": 1.5, "stride": 16}
    options |= {"separation_strength": 4.0, "separation_end": 0.6, "adapter_layers": "cross_attention"}
    settings = replace(SETTINGS, pictures=2, negative_prompt="a dog", **options)
    _, end = finished(studio, settings)
    found, elsewhere = settings_of(read_picture(end.pictures[1].path), studio.pipe.defaults, _usual(studio.pipe))
    assert replace(found, rows=None, curve=settings.curve) == settings and elsewhere == []
    _, again = finished(studio, found)
    for first, second in zip(end.pictures, again.pictures):
        assert Image.open(first.path).tobytes() == Image.open(second.path).tobytes()
        assert Image.open(first.path).size == (48, 48)


def test_pictures_of_regions_are_drawn_compared_and_come_back(make, vision, tmp_path):
    pipe, _ = make("SD")
    add_ip_adapter(pipe)
    pipe.register_modules(**vision)
    studio = Studio(pipe, tmp_path, files := {"IP-Adapter": {"file": "ip.safetensors", "sha256": "0"}})
    assert Abilities.of(pipe) == Abilities(pictures=True)
    assert Abilities.of(ControlledPipeline(made("FLUX.1"))) == Abilities(windows=False, true_cfg_scale=True)
    assert Abilities.of(ControlledPipeline(made("SD 3"))) == Abilities(windows=False)
    layouts = [
        replace(LAYOUT, regions=(replace(APPLE, image=Image.new("RGB", (8, 8), colour)), CAR))
        for colour in ("red", "blue")
    ]
    drawn = []
    for layout in (*layouts, LAYOUT):
        *_, end = studio.draw(PROMPT, layout, replace(SETTINGS, compare=True, upscale=1.5), Run())
        drawn += end.pictures
    makings = [read_picture(one.path) for one in drawn]
    assert [making.layout for making in makings] == [*layouts, LAYOUT]
    assert [making.adapter_files for making in makings] == [files, files, {}]
    assert all(_differences(making, pipe, [], files) == [] for making in makings)
    assert len({Image.open(one.path).tobytes() for one in drawn}) == 3
    assert len({Image.open(one.plain).tobytes() for one in drawn}) == 1  # without regions there are no pictures
    [told] = _differences(makings[0], pipe, [], {"IP-Adapter": {"file": "other", "sha256": "1"}})
    assert told == "'IP-Adapter' has other weights here"


@pytest.mark.parametrize(
    "changes, complaint",
    [({}, "`image` of 'a red apple' acts where"), ({"stride": 400}, "“Window stride” has to lie in 2..32")],
)
def test_a_second_pass_that_is_refused_is_refused_before_the_first(studio, changes, complaint):
    image = None if changes else Image.new("RGB", (8, 8))
    layout = replace(LAYOUT, regions=(replace(APPLE, image=image), CAR))
    run = studio.draw(PROMPT, layout, replace(SETTINGS, upscale=1.5, **{"stride": 16} | changes), Run())
    with pytest.raises(ValueError, match=complaint):
        next(run)


def test_what_a_page_has_no_field_for_is_told(studio, tmp_path):
    _, end = finished(studio)
    making = read_picture(end.pictures[0].path)
    weights = {"file": "w.safetensors", "sha256": "0"}
    arguments, usual = making.arguments | {"clip_skip": 1, "negative_prompt": ["fog", "rain"]}, _usual(studio.pipe)
    optimizer = asdict(WeightOptimizer(4, noises=1))
    other = replace(making, weights=weights, lost=["latents"], arguments=arguments, optimize_weights=optimizer)
    _, elsewhere = settings_of(other, studio.pipe.defaults, usual)
    told = ["its latents", "its clip_skip 1", "its negative_prompt ['fog', 'rain']"]
    told += ["the weights in 'w.safetensors'", "its way of optimising"]
    assert elsewhere == told
    early, _ = settings_of(making, PRESETS["early"], usual)
    assert np.ptp(early.rows) == 0 and early.rows[0][0] == 2.5
    endless = {"weights": 1.0, "arguments": making.arguments | {"num_inference_steps": 10**18}}
    for changes in ({"weights": [[1]]}, {"weights": [["x"] * 4] * 2}, {"arguments": {}}, endless):
        with pytest.raises((ValueError, TypeError)):
            settings_of(replace(making, **changes), studio.pipe.defaults, usual)


@pytest.mark.parametrize(
    ("changes", "first", "pictures", "told"),
    [
        ({"seed": 5}, 5, 1, []),
        ({"seed": 5, "pictures": 3}, 5, 1, ["one seed for all 3 pictures of its call"]),
        ({"seed": [5, 9, 7], "pictures": 3, "number": 2}, 9, 1, ["its call's seeds [5, 9, 7]"]),
        ({"seed": [5, 6, 7], "pictures": 3, "number": 2}, 5, 3, []),
        ({"seed": None}, 0, 1, ["noise without a seed"]),
        ({"seed": None, "lost": ["seed"]}, 0, 1, ["its seed"]),
        ({"weights": {"file": "w", "sha256": "0", "noise": True}}, 3, 1, ["the weights in 'w' and their noise"]),
    ],
    ids=str,
)
def test_seeds_that_the_page_cannot_draw_from_are_told(studio, changes, first, pictures, told):
    making = replace(read_picture(finished(studio)[1].pictures[0].path), **changes)
    settings, elsewhere = settings_of(making, studio.pipe.defaults, _usual(studio.pipe))
    assert (settings.seed, settings.pictures, elsewhere) == (first, pictures, told)


def test_where_and_with_which_scheduler_a_picture_was_drawn_is_told(studio):
    making = read_picture(finished(studio)[1].pictures[0].path)
    elsewhere = replace(making, dtype="float16", device="cuda", generator="cuda")
    assert _differences(elsewhere, studio.pipe, [], {}) == [
        "it was drawn in 'float16', and this page draws in float32",
        "it was drawn on 'cuda', and this page draws on cpu",
        "its noise is of 'cuda', and here it is of cpu",
    ]
    other = replace(making, scheduler=making.scheduler | {"class": "DDIMScheduler"})
    [told] = _differences(other, studio.pipe, [], {})
    assert told == "it was drawn with 'DDIMScheduler', and here with PNDMScheduler"
    config = making.scheduler["config"] | {"beta_end": 0.5}
    other = replace(making, scheduler=making.scheduler | {"config": config})
    assert _differences(other, studio.pipe, [], {}) == ["it was drawn with other settings of PNDMScheduler"]


@pytest.fixture
def dropped(studio, reader, monkeypatch) -> Callable[..., dict]:
    """What the page shows where a picture is dropped, and what it warns of as `"warned"`."""
    with gr.Blocks():
        parts = Parts(reader, SETTINGS, (1.0,) * 6, Abilities())
        drawing = DrawingEvents(parts, studio, LayoutEvents(parts, reader))

    def drop(image: Image.Image, making: Making) -> dict:
        (studio.folder / "a.png").write_bytes(as_png(image, making))
        warned = []
        monkeypatch.setattr("spacetime_attn.editor.drawing_events.warn", warned.append)
        shown = drawing.opened(
            str(studio.folder / "a.png"), "", Scene(), (), (), 64, 64, reader.default, 0, 0, reader.syntax
        )
        names = {part: name for name, part in vars(parts).items() if isinstance(part, gr.blocks.Block)}
        return {names[part]: value for part, value in shown.items()} | {"warned": warned}

    return drop


def test_a_picture_that_was_cut_does_not_lie_under_the_boxes(studio, dropped):
    [drawn] = finished(studio)[1].pictures
    making, image = read_picture(drawn.path), Image.open(drawn.path)
    shown = dropped(image, making)
    assert shown["backdrop"] and shown["note"] == "Seed 3" and not shown["warned"]
    shown = dropped(image.crop((0, 0, 32, 16)), replace(making, seed=None))
    assert shown["backdrop"] is None and shown["canvas"].props["picture"] is None and shown["note"] == "Without a seed"
    assert "noise without a seed" in shown["warned"][0] and "32 x 16 pixels, not the shape" in shown["warned"][1]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"blend": "evil"}, "The blend has to be guided or convex, got 'evil'"),
        ({"blend": []}, "The blend has to be guided or convex"),
        ({"prompt_syntax": "zz"}, "texts are written in 'zz', which the page does not read"),
        ({"prompt_syntax": {}}, "which the page does not read"),
    ],
)
def test_choices_that_the_page_does_not_have_are_refused(studio, dropped, changes, complaint):
    [drawn] = finished(studio)[1].pictures
    making = read_picture(drawn.path)
    with pytest.raises(ValueError, match=complaint):
        dropped(Image.open(drawn.path), replace(making, arguments=making.arguments | changes))


def test_what_made_a_picture_otherwise_is_told(studio):
    making = read_picture(finished(studio)[1].pictures[0].path)
    assert _differences(making, studio.pipe, [], {}) == []
    other = replace(making, adapters={"anna": 0.8}, versions=making.versions | {"torch": "1.0"})
    [adapters, version] = _differences(other, studio.pipe, [], {})
    assert "the adapters {'anna': 0.8}, and here are {}" in adapters and "made with torch '1.0', now" in version


def test_regions_give_way_to_those_in_front_where_that_is_wanted(studio):
    overlapping = Layout((APPLE, replace(CAR, box=(0.2, 0.4, 0.6, 0.9))), prompt=PROMPT)
    pictures = {}
    for depth_order in (True, False):
        *_, end = studio.draw(PROMPT, overlapping, replace(SETTINGS, depth_order=depth_order), Run())
        making = read_picture(end.pictures[0].path)
        pictures[depth_order] = Image.open(end.pictures[0].path).tobytes()
        assert making.defaults["depth_order"] is depth_order and studio.pipe.depth_order is False
        assert settings_of(making, studio.pipe.defaults, _usual(studio.pipe))[0].depth_order is depth_order
    assert pictures[True] != pictures[False]


def test_the_same_noise_is_drawn_without_regions(studio):
    progress, end = finished(studio, replace(SETTINGS, compare=True))
    [drawn] = end.pictures
    plain = studio.pipe.stock(
        PROMPT, 32, 32, num_inference_steps=4, guidance_scale=5.0, generator=torch.Generator().manual_seed(3)
    ).images[0]
    assert Image.open(drawn.plain).tobytes() == plain.tobytes() != Image.open(drawn.path).tobytes()
    assert progress[-1].done == progress[-1].total == 10


def test_nothing_of_a_region_acts_where_none_is_to_be(studio, monkeypatch):
    given, call = [], type(studio.pipe).__call__

    @wraps(call)
    def spied(pipe, *args, **options):
        given.append(options)
        return call(pipe, *args, **options)

    monkeypatch.setattr(type(studio.pipe), "__call__", spied)
    finished(studio, replace(SETTINGS, compare=True, curve=(1.0, 0.0)))
    assert [len(options["layout"]) for options in given] == [2, 0] and "weights" not in given[1]


def test_clips_choice_of_several_is_kept(studio, clip):
    studio.pipe._image_text_models[studio.pipe.clip_model] = clip
    progress, end = finished(studio, replace(SETTINGS, best_of=3, compare=True))
    [drawn] = end.pictures
    assert len(drawn.distances) == 3 and progress[-1].total == 5 * (3 + 1 + 1) == progress[-1].done
    assert Image.open(drawn.plain).tobytes() != Image.open(drawn.path).tobytes()


@pytest.mark.parametrize("after", [0, 2])
def test_a_run_is_cancelled_and_the_pipeline_draws_on(studio, after):
    run, told = Run(), []
    if not after:
        run.cancel()
    with pytest.raises(CancelledError):
        for news in studio.draw(PROMPT, LAYOUT, replace(SETTINGS, steps=100), run):
            told.append(news)
            if len(told) == after:
                run.cancel()
    assert len(told) < 100 and finished(studio)[1].pictures


def test_a_second_pass_is_cancelled_at_its_next_step(studio):
    settings = replace(SETTINGS, pictures=2, upscale=1.5)
    options = {"height": 32, "width": 32, "num_inference_steps": 4, "num_images_per_prompt": 2}
    output, run, news = studio.pipe(PROMPT, layout=LAYOUT, **options), Run(), Queue()
    run.cancel()
    with pytest.raises(CancelledError):
        studio._larger(output, settings, _Watch(run, news, settings))
    assert news.empty()


def test_a_visitor_who_leaves_ends_the_run(studio):
    threads = threading.active_count()
    news = studio.draw(PROMPT, LAYOUT, replace(SETTINGS, steps=100), run := Run())
    next(news)
    news.close()
    assert run.cancelled and threading.active_count() == threads and finished(studio)[1].pictures


@pytest.mark.parametrize("family", ["SD 3", "FLUX.1", "PixArt sigma"])
def test_models_with_transformers_are_drawn_with_too(tmp_path, family, monkeypatch):
    pipe, call = ControlledPipeline(quiet(made(family))), PixArtSigmaPipeline.__call__
    any_size = wraps(call)(lambda *args, **options: call(*args, use_resolution_binning=False, **options))
    monkeypatch.setattr(PixArtSigmaPipeline, "__call__", any_size)
    studio, settings = Studio(pipe, tmp_path), replace(SETTINGS, compare=True)
    assert blend_of(pipe, None, 5.0) == ("convex" if family == "FLUX.1" else "guided")
    progress, end = finished(studio, settings)
    [drawn] = end.pictures
    assert progress[-1].done == progress[-1].total == 8
    again = draw_again(pipe, read_picture(drawn.path)).images[0]
    with spacetime_attention(pipe.pipe, LAYOUT, preset=pipe.defaults):
        size, generator = {"width": 32, "height": 32}, torch.Generator().manual_seed(3)
        same = pipe.pipe(PROMPT, num_inference_steps=4, guidance_scale=5.0, generator=generator, **size).images[0]
    assert same.tobytes() == again.tobytes() == Image.open(drawn.path).tobytes() != Image.open(drawn.plain).tobytes()
    monkeypatch.setattr("spacetime_attn.editor.drawing._PREVIEW_PAUSE", 0)
    progress, end = finished(studio)
    previews, picture = [news.preview for news in progress], Image.open(end.pictures[0].path)
    assert all(previews) and previews[-1].size == picture.size
    assert np.ptp(np.asarray(previews[-1], float) - np.asarray(picture, float)) <= 2  # its latents are the picture's
    cancelled = studio.draw(PROMPT, LAYOUT, replace(settings, steps=50), run := Run())
    next(cancelled)
    run.cancel()
    with pytest.raises(CancelledError):
        list(cancelled)


def test_negative_prompts_of_flux_act_by_its_true_cfg_scale_which_comes_back(tmp_path):
    pipe = ControlledPipeline(quiet(made("FLUX.1")))
    studio, negated = Studio(pipe, tmp_path), LAYOUT.edit(0, negative_prompt="a dog")
    settings, pictures = replace(SETTINGS, true_cfg_scale=2.0), []
    for layout, own in ((LAYOUT, SETTINGS), (LAYOUT, settings), (negated, replace(settings, negative_prompt="fog"))):
        *_, end = studio.draw(PROMPT, layout, own, Run())
        found, elsewhere = settings_of(read_picture(end.pictures[0].path), pipe.defaults, _usual(pipe))
        assert found == replace(own, blend="convex", upscale_strength=found.upscale_strength) and elsewhere == []
        pictures.append(Image.open(end.pictures[0].path).tobytes())
    assert len(set(pictures)) == 3
    _, elsewhere = settings_of(read_picture(end.pictures[0].path), pipe.defaults, {})
    assert "its true_cfg_scale 2.0" in elsewhere  # where there is no such thing
    with pytest.raises(ValueError, match="`negative_prompt` acts with a `true_cfg_scale` above 1"):
        finished(studio, replace(SETTINGS, negative_prompt="fog"))


def test_what_the_pipeline_refuses_is_raised(studio):
    with pytest.raises(ValueError, match="Convex `weights` have to lie in 0..1"):
        finished(studio, replace(SETTINGS, blend="convex", curve=(3.0, 3.0)))


# Notices


def test_errors_become_notices_that_cannot_carry_markup():
    assert notice(ValueError("no <b>such</b> box")).message == "no &lt;b&gt;such&lt;/b&gt; box"
    assert "take a smaller size" in notice(torch.OutOfMemoryError("CUDA out of memory")).message
    assert "take a smaller size" in notice(RuntimeError("DefaultCPUAllocator: can't allocate memory: you")).message


def test_what_nobody_foresaw_is_logged_and_not_shown(caplog):
    @noticed
    def handler(x):
        return {}[0] if x else vars(3)

    with pytest.raises(gr.Error, match="0"):
        handler(1)
    with caplog.at_level("ERROR"):
        broken = notice(ZeroDivisionError("secret"))
    assert "secret" not in broken.message and "ZeroDivisionError" in broken.message and "secret" in caplog.text


# The command


def test_what_cannot_be_served_is_told_before_anything_is_loaded(monkeypatch, capsys):
    assert main(["app", "--model", "nothing"]) == 2
    assert "There is no folder or file 'nothing'" in capsys.readouterr().err
    monkeypatch.setattr("spacetime_attn.cli.commands.find_spec", lambda name: None)
    monkeypatch.setattr("spacetime_attn.cli.commands.load_pipeline", pytest.fail)
    assert main(["app"]) == 2 and "The page needs gradio: pip install" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["app", "--port", str(taken.getsockname()[1])]) == 2
    assert "port" in capsys.readouterr().err


# What is given away


@pytest.fixture(scope="module")
def served(shipped) -> Iterator[SimpleNamespace]:
    """A page that is open as the command opens it."""
    told, ended, launch = Queue(), Event(), gr.Blocks.launch

    def launched(page, **options):
        opened = launch(page, **options)
        told.put((page, options, opened[1].rstrip("/")))
        return opened

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gr.Blocks, "launch", launched)
        patch.setattr(gr.Blocks, "block_thread", lambda page: ended.wait())
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
            patch.setenv(name, "")
        thread = Thread(target=serve, args=(shipped,))
        thread.start()
        page, options, address = told.get(timeout=300)
        yield SimpleNamespace(page=page, options=options, address=address)
        ended.set()
        thread.join()
        page.close()


def test_the_page_is_for_this_machine_alone(served):
    assert served.options["server_name"] == "127.0.0.1" and served.options["share"] is False
    assert served.page.share_url is None and not served.options.keys() & {"allowed_paths", "auth"}


@pytest.mark.parametrize("listen", [False, True])
def test_other_machines_are_let_in_when_asked(shipped, monkeypatch, listen):
    seen = {}
    monkeypatch.setattr(gr.Blocks, "launch", lambda page, **options: seen.update(options) or (None, "", None))
    monkeypatch.setattr(gr.Blocks, "block_thread", lambda page: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    serve(shipped, port=5, listen=listen)
    assert seen["server_name"] == ("0.0.0.0" if listen else "127.0.0.1") and seen["server_port"] == 5
    assert seen["share"] is False and not Path(os.environ["GRADIO_TEMP_DIR"]).exists()


@pytest.mark.parametrize(
    "path", ["/etc/passwd", str(ROOT / "pyproject.toml"), "pyproject.toml", "../../etc/passwd", "/proc/self/environ"]
)
def test_no_file_of_the_server_can_be_read(served, path):
    for route in ("file", "file_deleted", "reupload"):
        answer = httpx.get(f"{served.address}/gradio_api/{route}={path}")
        assert answer.status_code in (403, 404, 405)


def opened(served, path: str, handler: str = "opened") -> dict:
    """What the page says to a file that a visitor claims to have uploaded."""
    event = next(one for one in served.page.fns.values() if one.fn and one.fn.__name__ == handler)
    file = {"path": path, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}
    data = [file, *(None if isinstance(part, gr.State) else part.value for part in event.inputs[1:])]
    call = {"data": data, "fn_index": event._id, "session_hash": "somebody", "trigger_id": None}
    httpx.post(f"{served.address}/gradio_api/queue/join", json=call).raise_for_status()
    with httpx.stream("GET", f"{served.address}/gradio_api/queue/data?session_hash=somebody", timeout=60) as answer:
        told = (json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:"))
        return next(news for news in told if news["msg"] == "process_completed")


def test_a_path_that_was_not_uploaded_is_no_upload(served):
    [uploaded] = httpx.post(f"{served.address}/gradio_api/upload", files={"files": ("a.png", b"no PNG")}).json()
    assert "is no PNG that can be read" in opened(served, uploaded)["output"]["error"]
    for handler in ("opened", "pictured"):
        told = opened(served, "/etc/passwd", handler)
        assert not told["success"] and "PNG" not in json.dumps(told) and "root:" not in json.dumps(told)


@pytest.fixture
def editor(served) -> Callable[..., int]:
    """Sends files to what masks are drawn on, as its part in the browser does."""
    part = next(one for one in served.page.blocks.values() if isinstance(one, MaskEditor))

    def send(*files: bytes, name: str = "a", kind: str = "layer", index: int | str = 0) -> int:
        about = {"component_id": part._id, "session_hash": "x", "fn_name": "accept_blobs"}
        about |= {"id": name, "type": kind, "index": index}
        named = [("files", ("a.png", file)) for file in files]
        return httpx.post(f"{served.address}/gradio_api/component_server", data=about, files=named).status_code

    yield send
    while mask_editor._drawings.size:
        mask_editor._drawings.take(next(iter(mask_editor._drawings._waiting)))


def test_a_mask_that_the_browser_sends_is_taken_and_forgotten(editor):
    for kind in ("background", "layer", "composite"):
        assert editor(png(64), kind=kind, index=0 if kind == "layer" else "null") == 200
    drawing = EditorData(id="a")
    assert [layer.size for layer in MaskEditor(type="pil").preprocess(drawing)["layers"]] == [(64, 64)]
    assert not mask_editor._drawings.size and MaskEditor(type="pil").preprocess(drawing)["layers"] == []
    assert editor(png(5000)) == 200
    with pytest.raises(gr.Error, match="draw a smaller mask"):
        MaskEditor(type="pil").preprocess(drawing)


@pytest.mark.parametrize(
    "sent",
    [
        {"files": [b"0" * (2**22 + 1)]},
        {"files": [b"0"] * 2},
        {"index": 40_000_000},
        {"index": -1},
        {"index": "x"},
        {"kind": "other"},
        {"name": "a" * 65},
    ],
    ids=str,
)
def test_what_is_no_drawing_is_not_kept(editor, sent):
    assert editor(*sent.pop("files", [b"0"]), **sent) == 400 and not mask_editor._drawings.size


def test_drawings_that_nobody_takes_give_way(editor):
    for number in range(10):
        assert editor(b"0" * 2**22, name=str(number)) == 200
    assert mask_editor._drawings.size == 8 * 2**22
    assert mask_editor._drawings.take("0") is None and mask_editor._drawings.take("9").layers
    for number in range(300):
        mask_editor._drawings.add(str(number), "composite", None, b"")
    assert len(mask_editor._drawings._waiting) == 256


def test_requests_have_a_limit(served):
    address, many = f"{served.address}/gradio_api/component_server", [("files", ("a.png", b"0" * 2**22))] * 6
    assert httpx.post(address, files=many).status_code == 413
    assert httpx.post(address, content=iter([b"0"])).status_code == 411


def test_uploads_have_a_limit(served):
    small, large = (("a.png", b"0" * size) for size in (100, UPLOAD_LIMIT + 100_000))
    upload = f"{served.address}/gradio_api/upload"
    assert httpx.post(upload, files={"files": small}).status_code == 200
    assert httpx.post(upload, files={"files": large}, timeout=60).status_code == 413


def test_nothing_of_other_servers_is_loaded(served):
    page = httpx.get(served.address).text
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
