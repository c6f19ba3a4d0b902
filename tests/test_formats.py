"""Layouts in the formats of other tools: written, read again, and read as the tools' own documents have them."""

import json
import logging
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from spacetime_attn import RuleLayoutPredictor
from spacetime_attn.cli import main
from spacetime_attn.layout.formats import FORMATS, export_layout, import_layout
from spacetime_attn.layout.formats.common import png
from spacetime_attn.layout.regions import Layout, Region


PROMPT = "two red apples to the left of a blue car"
APPLE, CAR = (0.125, 0.25, 0.375, 0.5), (0.5, 0.25, 0.875, 0.75)
WITH_PICTURES = ("regional-prompter", "comfyui")


@pytest.fixture
def layout():
    return Layout([Region("a red apple", box=APPLE), Region("a blue car", box=CAR)], prompt=PROMPT)


def again(layout, name):
    exported = export_layout(layout, name)
    return import_layout(exported.data, name, exported.pictures)


def colours(picture):
    return {colour for _, colour in picture.getcolors()}


# --- Of all formats ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_boxes_are_read_as_they_were_written(name, layout, caplog):
    read = again(layout, name)
    assert np.allclose([region.box for region in read.regions], [APPLE, CAR], atol=1e-3)
    assert len(read) == 2 and "apple" in read[0].phrase and "car" in read[1].phrase
    assert read.prompt == ("" if name == "invokeai" else PROMPT)
    assert not [record for record in caplog.records if name != "invokeai"]


@pytest.mark.parametrize("name", FORMATS)
def test_files_are_read_as_they_were_written(name, layout, tmp_path):
    path = tmp_path / f"mine{FORMATS[name].suffix}"
    export_layout(layout, name, stem="mine").save(path)
    masks = [mask.name for mask in sorted(tmp_path.glob("*.png"))]
    assert masks == ["mine.mask-1.png", "mine.mask-2.png"][: {"regional-prompter": 1, "comfyui": 2}.get(name, 0)]
    read = import_layout(path, name)
    assert np.allclose([region.box for region in read.regions], [APPLE, CAR], atol=1e-3)


@pytest.mark.parametrize("name", ["comfyui", "regional-prompter", "prompt-control"])
def test_masks_have_the_name_of_their_file(name, tmp_path):
    layouts = [Layout([Region("the sun", disc=(x, 0.5, 0.2))], prompt="the sun") for x in (0.25, 0.75)]
    paths = [tmp_path / f"{stem}{FORMATS[name].suffix}" for stem in ("first", "second")]
    for path, layout in zip(paths, layouts):
        export_layout(layout, name).save(path)
    for path, layout in zip(paths, layouts):
        assert np.allclose(import_layout(path, name)[0].centre, layout[0].centre, atol=0.02)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_cannot_hold_is_told(name, caplog):
    told = {"softness": 0.1, "strength": 2.0, "end": 0.5, "negative_prompt": "", "order": 1, "adapters": {"a": 1}}
    told |= {"description": "a shiny red apple", "image": Image.new("RGB", (8, 8))}
    layout = Layout(
        [Region("a red apple", box=APPLE, **told), Region("a blue car", disc=(0.7, 0.5, 0.2))],
        prompt="a red apple and a blue car",
        background="a wall",
    )
    with caplog.at_level(logging.WARNING):
        export_layout(layout, name)
    losses = {"shapes other than boxes", "soft edges", "strengths", "times", "negative prompts", "an order in depth"}
    for loss in losses | {"descriptions", "adapters", "pictures", "a background", "the whole prompt"}:
        assert (loss in caplog.records[0].message) == (loss not in FORMATS[name].holds), loss


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_layout_is_written(name):
    assert export_layout(Layout(prompt=PROMPT), name).text


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_layout_does_not_have_is_not_told_as_lost(name, layout, caplog):
    blank = Layout(layout.regions, prompt=PROMPT, background="   ")
    assert again(blank, name).background is None
    export_layout(Layout(prompt="", background="a wall"), name)
    assert "a background" not in caplog.text


def test_grey_masks_are_soft_edges(caplog):
    grey = Layout([Region("a cloud", mask=np.full((4, 4), 0.3))], prompt="a cloud")
    assert export_layout(grey, "regional-prompter").data["prompt"] == "a cloud ADDBASE "
    assert "does not hold soft edges" in caplog.text and "No pixel is left to 'a cloud'" in caplog.text


@pytest.mark.parametrize("name", ["regional-prompter", "prompt-control", "prompt-control-areas"])
def test_key_words_of_a_tool_in_texts_are_written_in_small_letters(name, caplog):
    prompt = "a salt AND pepper set, then BREAK it"
    phrases = ["a salt AND pepper set", "a mask"]
    regions = [Region(phrases[0], box=APPLE), Region(phrases[1], box=CAR, description="a BREAK mask MASK(1)")]
    read = again(Layout(regions, prompt=prompt), name)
    assert read.prompt == "a salt and pepper set, then break it" and read[0].phrase == "a salt and pepper set"
    assert read[1].phrase.lower() == "a break mask mask(1)" and len(read) == 2
    assert "'a salt AND pepper set' has key words of the tool" in caplog.text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("data", [{}, {"prompt": 3}, [], 7])
def test_other_data_is_refused(name, data):
    with pytest.raises(ValueError, match=f"not of the format {name!r}"):
        import_layout(data, name)


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].suffix != ".txt"])
def test_data_may_be_json_text(name, layout):
    exported = export_layout(layout, name)
    assert import_layout(exported.text, name, exported.pictures) == again(layout, name)
    for text in ("7", '"text"', "[" * 10**5):
        with pytest.raises(ValueError, match=f"not of the format {name!r}"):
            import_layout(text, name)
    with pytest.raises(ValueError, match="has to be JSON, and a file is passed as a `Path`"):
        import_layout("layout.json", name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.invk", b"x"),
        ("a.invk", None),
        ("a.json", b"{"),
        ("a.json", b"[" * 10**5),
        ("a.txt", b"\xff\xfe\x00x"),
    ],
)
@pytest.mark.parametrize("name", ["invokeai", "flux3", "prompt-control"])
def test_files_that_cannot_be_read_are_named(name, file, content, tmp_path):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"The file .*{file}' cannot be read"):
        import_layout(tmp_path / file, name)


def test_broken_archives_and_pictures_are_refused(tmp_path):
    whole = project(tmp_path / "a.invk", [guidance(picture_of_a_layer())], [png(clear_on_the_left())]).read_bytes()
    for number, start in enumerate(range(30, len(whole) - 200, 40)):
        path = tmp_path / f"{number}.invk"
        path.write_bytes(whole[:start] + bytes(8) + whole[start + 8 :])
        with pytest.raises(ValueError):
            import_layout(path, "invokeai")
    path = project(tmp_path / "b.invk", [guidance(picture_of_a_layer())], [png(clear_on_the_left())[:45]])
    with pytest.raises(ValueError, match="a picture cannot be read"):
        import_layout(path, "invokeai")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(0, 512), (512, -5), (512.5, 512), (2**14, 2**14)])
def test_sizes_that_no_picture_has_are_refused(name, size, layout):
    with pytest.raises(ValueError, match="of a drawing has to be a whole number|is too large"):
        export_layout(layout, name, *size)


def test_an_unknown_format_is_refused_with_those_there_are(layout):
    with pytest.raises(ValueError, match="no format 'jpeg'; known are gligen, .*ideogram"):
        export_layout(layout, "jpeg")


@pytest.mark.parametrize("name", WITH_PICTURES)
def test_a_mask_that_is_missing_is_named(name, layout):
    with pytest.raises(ValueError, match="'layout.mask-1.png' is missing"):
        import_layout(export_layout(layout, name).data, name)


def test_descriptions_are_what_tools_are_told(layout):
    described = layout.edit("a red apple", description="a red apple with a leaf")
    assert export_layout(described, "gligen").data["gligen_phrases"] == ["a red apple with a leaf", "a blue car"]


# --- GLIGEN and BoxDiff -----------------------------------------------------------------------------------------


def test_gligen_as_diffusers_documents_it():
    boxes = [[0.1387, 0.2051, 0.4277, 0.7090], [0.4980, 0.4355, 0.8516, 0.7266]]
    phrases = ["a waterfall", "a modern high speed train running through the tunnel"]
    prompt = "a waterfall and a modern high speed train running through the tunnel in a beautiful forest"
    data = {"prompt": prompt, "gligen_phrases": phrases, "gligen_boxes": boxes}
    read = import_layout(data, "gligen")
    assert read.phrases == phrases and read[1].box == tuple(boxes[1])
    assert export_layout(read, "gligen").data == data


def test_gligen_gets_thirty_objects(caplog):
    crowd = Layout([Region(f"thing {n}", box=APPLE) for n in range(31)], prompt="things")
    assert len(export_layout(crowd, "gligen").data["gligen_boxes"]) == 30
    assert "GLIGEN takes 30 objects" in caplog.text


def test_boxdiff_as_its_readme_has_it():
    boxes = [[1, 3, 512, 202], [75, 344, 421, 495], [1, 327, 508, 507], [2, 217, 507, 341], [1, 135, 509, 242]]
    boxes = [[side / 512 for side in box] for box in boxes]
    phrases = ["aurora", "reindeer", "meadow", "lake", "mountain"]
    read = import_layout({"boxdiff_phrases": phrases, "boxdiff_boxes": boxes}, "boxdiff")
    assert read.phrases == phrases and read["lake"].box == tuple(boxes[3])


def test_boxdiff_gets_the_nouns_as_the_prompt_has_them(layout):
    assert export_layout(layout, "boxdiff").data["boxdiff_phrases"] == ["apples", "car"]


@pytest.mark.parametrize(
    ("prompt", "phrase", "token"),
    [
        ("a T-shirt on a chair", "a T-shirt", "shirt"),
        ("two 2CVs by the sea", "a 2CV", "cvs"),
        ("a T-shirt and a shirt", "a T-shirt", "shirt"),
        ("a shirt and a T-shirt", "a T-shirt", None),
        ("a cat-like dog and a cat", "a cat", None),
    ],
)
def test_boxdiff_gets_what_is_one_token_and_the_first_of_its_kind(prompt, phrase, token, caplog):
    exported = export_layout(Layout([Region(phrase, box=APPLE)], prompt=prompt), "boxdiff")
    assert exported.data["boxdiff_phrases"] == ([token] if token else [])
    assert (f"{phrase!r} has none of its own in the prompt" in caplog.text) == (token is None)


def test_boxdiff_cannot_tell_two_of_one_noun(caplog):
    two = Layout([Region("a red cup", box=APPLE), Region("a blue cup", box=CAR)], prompt="a red cup and a blue cup")
    assert export_layout(two, "boxdiff").data["boxdiff_phrases"] == ["cup"]
    assert "'a blue cup' has none of its own" in caplog.text


# --- sd-webui-regional-prompter ---------------------------------------------------------------------------------


def regional(prompt, mode, ratios, base=False, flip=False, options=False):
    """A payload as the README's section on the API has it."""
    args = [True, False, "Matrix", mode, "Mask", "Prompt", ratios, "", base, False, False]
    args += ["Attention", options, "0", "0", "0", "", "0", "0", flip]
    return {"prompt": prompt, "alwayson_scripts": {"Regional Prompter": {"args": args}}}


def test_rows_as_the_readme_of_regional_prompter_has_them():
    prompt = "green hair twintail BREAK red blouse BREAK blue skirt"
    read = import_layout(regional(prompt, "Vertical", "1,1,1"), "regional-prompter")
    assert read.phrases == ["green hair twintail", "red blouse", "blue skirt"]
    thirds = [(0, 0, 1, 1 / 3), (0, 1 / 3, 1, 2 / 3), (0, 2 / 3, 1, 1)]
    assert np.allclose([region.box for region in read.regions], thirds, atol=1e-4)


def test_two_dimensions_as_the_readme_of_regional_prompter_has_them():
    prompt = "(blue sky:1.2) ADDCOL green hair ADDCOL (aquarium:1.3) ADDROW (messy desk:1.2) ADDCOL orange dress"
    read = import_layout(regional(prompt, "Columns", "1,2,1,1;2,4,6"), "regional-prompter")
    assert [region.box for region in read.regions] == [
        (0, 0, 0.5, 0.3333), (0.5, 0, 0.75, 0.3333), (0.75, 0, 1, 0.3333),
        (0, 0.3333, 0.4, 1), (0.4, 0.3333, 1, 1),
    ]  # fmt: skip
    flipped = import_layout(regional(prompt, "Columns", "1;2;1;1,2;4;6", flip=True), "regional-prompter")
    assert flipped == read
    equal = import_layout(regional(prompt, "Columns", "1"), "regional-prompter")
    assert equal[4].box == (0.5, 0.5, 1, 1)


@pytest.mark.parametrize(
    "boxes, mode, ratios",
    [
        ([(0, 0, 0.25, 1), (0.25, 0, 1, 1)], "Columns", "0.25,0.75"),
        ([(0, 0, 1, 0.5), (0, 0.5, 0.6, 1), (0.6, 0.5, 1, 1)], "Columns", "0.5,1;0.5,0.6,0.4"),
        ([(0, 0, 1, 0.25), (0, 0.25, 1, 1)], "Columns", "0.25,1;0.75,1"),
        ([(0, 0, 0.5, 1), (0.5, 0, 1, 0.3), (0.5, 0.3, 1, 1)], "Rows", "0.5;1,0.5;0.3;0.7"),
        ([(0, 0, 1, 1)], "Columns", "1"),
    ],
)
def test_regional_prompter_gets_a_grid_where_boxes_fill_one(boxes, mode, ratios):
    layout = Layout([Region(f"thing {n}", box=box) for n, box in enumerate(boxes)], prompt="things")
    exported = export_layout(layout, "regional-prompter")
    args = exported.data["alwayson_scripts"]["Regional Prompter"]["args"]
    assert (args[2:4], args[6], exported.pictures) == (["Matrix", mode], ratios, {})
    assert import_layout(exported.data, "regional-prompter").regions == layout.regions


def test_regional_prompter_gets_a_colour_for_each_region_elsewhere(layout):
    exported = export_layout(layout, "regional-prompter", 64, 64)
    prompt, args = exported.data["prompt"], exported.data["alwayson_scripts"]["Regional Prompter"]["args"]
    assert prompt == f"{PROMPT} ADDBASE a red apple BREAK a blue car" and args[2] == "Mask"
    picture = exported.pictures[args[16]]
    assert picture.size == (64, 64) and picture.getpixel((0, 0)) == (255, 255, 255)
    hues = (128, 64, 64), (64, 128, 128)  # of 0 and 180 degrees
    assert (picture.getpixel((12, 20)), picture.getpixel((48, 20))) == hues


def test_regional_prompter_shows_what_is_in_front(caplog):
    hidden = Layout([Region("a wall", box=APPLE), Region("a door", box=CAR), Region("a cat", box=APPLE, order=1)])
    exported = export_layout(hidden, "regional-prompter")
    assert "No pixel is left to 'a wall'" in caplog.text and "a wall BREAK" not in exported.data["prompt"]
    assert import_layout(exported.data, "regional-prompter", exported.pictures).phrases == ["a door", "a cat"]


def test_regional_prompter_gets_as_many_regions_as_it_has_colours(caplog):
    boxes = [(x / 20, y / 20, (x + 1) / 20, (y + 1) / 20) for y in range(13) for x in range(20)]
    crowd = Layout([Region(f"thing {n}", box=box) for n, box in enumerate(boxes[:257])], prompt="things")
    exported = export_layout(crowd, "regional-prompter", 40, 40)
    read = import_layout(exported.data, "regional-prompter", exported.pictures)
    assert read.phrases == crowd.phrases[:256] and "takes 256 regions" in caplog.text


def test_texts_and_colours_of_regional_prompter_that_do_not_meet_are_told(layout, caplog):
    exported = export_layout(layout, "regional-prompter")
    more = exported.data | {"prompt": f"{exported.data['prompt']} BREAK a bird"}
    assert import_layout(more, "regional-prompter", exported.pictures).phrases == ["a red apple", "a blue car"]
    assert "'a bird' has no colour in the picture" in caplog.text
    fewer = exported.data | {"prompt": f"{PROMPT} ADDBASE a red apple"}
    assert import_layout(fewer, "regional-prompter", exported.pictures).phrases == ["a red apple"]
    assert "Only 1 of the picture's 2 colours have a text" in caplog.text


def test_without_a_base_the_first_mask_of_regional_prompter_is_the_rest():
    layout = Layout([Region("a field", box=APPLE), Region("a barn", box=(0.5, 0, 1, 1))])
    exported = export_layout(layout, "regional-prompter")
    data = exported.data | {"prompt": "a field BREAK a barn"}
    data["alwayson_scripts"]["Regional Prompter"]["args"][8] = False
    field, barn = import_layout(data, "regional-prompter", exported.pictures)
    assert (field.box, barn.box) == ((0, 0, 0.5, 1), (0.5, 0, 1, 1))


@pytest.mark.parametrize("options", [True, ["disable convert 'AND' to 'BREAK'"], "disable convert 'AND' to 'BREAK'"])
def test_and_parts_the_regions_of_regional_prompter_unless_it_is_told_not_to(options):
    read = import_layout(regional("a cat AND a dog", "Columns", "1,1"), "regional-prompter")
    assert read.phrases == ["a cat", "a dog"]
    kept = import_layout(regional("a cat AND a dog", "Columns", "1", options=options), "regional-prompter")
    assert kept.phrases == ["a cat AND a dog"]


def test_flipped_prompts_of_regional_prompter_are_told(caplog):
    import_layout(regional("a cat BREAK a dog", "Columns", "1,1", options=["Flip prompts"]), "regional-prompter")
    assert "'Flip prompts' is not read" in caplog.text


# --- forge-couple -----------------------------------------------------------------------------------------------


def test_forge_couple_as_its_wiki_has_it():
    halves = [[0.0, 0.5, 0.0, 1.0, 1.0], [0.5, 1.0, 0.0, 1.0, 1.0]]
    args = [True, True, "Advanced", "", None, None, None, halves]
    data = {"prompt": "a man\na woman", "alwayson_scripts": {"forge couple": {"args": args}}}
    read = import_layout(data, "forge-couple")
    assert [(region.phrase, region.box) for region in read] == [("a man", (0, 0, 0.5, 1)), ("a woman", (0.5, 0, 1, 1))]
    data["alwayson_scripts"]["forge couple"]["args"] = [True, True, "Basic", "", "Vertical", "First Line", 0.5, None]
    data["prompt"] = "the sky\ngalaxy, stars\nocean, waves"
    basic = import_layout(data, "forge-couple")
    assert basic.prompt == "the sky" and basic[1].box == (0, 0.5, 1, 1)


def test_forge_couple_gets_a_line_for_the_whole_picture_first(layout):
    data = export_layout(layout.edit(0, strength=20).edit(1, strength=1.5), "forge-couple").data
    assert data["prompt"].split("\n") == [PROMPT, "a red apple", "a blue car"]
    mapping = data["alwayson_scripts"]["forge couple"]["args"][7]
    assert mapping == [[0.0, 1.0, 0.0, 1.0, 0.5], [0.125, 0.375, 0.25, 0.5, 20.0], [0.5, 0.875, 0.25, 0.75, 1.5]]


def test_forge_couple_gets_masks_of_other_shapes():
    layout = Layout([Region("the sun", disc=(0.5, 0.5, 0.2), strength=2.0)], prompt="the sun")
    exported = export_layout(layout, "forge-couple")
    assert exported.data["alwayson_scripts"]["forge couple"]["args"][2] == "Mask"
    sun = again(layout, "forge-couple")["the sun"]
    assert sun.strength == 2 and np.abs(sun.rasterize(64, 64) - layout[0].rasterize(64, 64)).mean() < 0.01


# --- ComfyUI ----------------------------------------------------------------------------------------------------


def clear_on_the_left():
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 4, 8))
    return picture


def test_comfyui_gets_a_mask_a_text_and_times_for_each_region():
    soft = Layout([Region("a cat", box=APPLE, softness=0.1, strength=0.8, end=0.6)], prompt="a cat")
    exported = export_layout(soft, "comfyui", 256, 128)
    kinds = [node["class_type"] for node in exported.data.values()]
    assert kinds.count("ConditioningSetMask") == 1 and exported.pictures["layout.mask-1.png"].size == (256, 128)
    cat = again(soft, "comfyui")["a cat"]
    assert (cat.strength, cat.start, cat.end) == (0.8, 0.0, 0.6) and cat.mask is not None


def test_comfyui_nodes_as_its_example_of_the_api_has_them(caplog):
    """`script_examples/basic_api_example.py`, and beside it the nodes of a region as nodes.py declares them."""
    nodes = {
        "3": {"class_type": "KSampler", "inputs": {"positive": ["6", 0], "negative": ["7", 0], "model": ["4", 0]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "bad hands"}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "masterpiece best quality girl"}},
    }
    assert import_layout(nodes, "comfyui") == Layout(prompt="masterpiece best quality girl")
    told = {"strength": 0.8, "set_cond_area": "default"}
    nodes |= {
        "10": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "a cat"}},
        "11": {"class_type": "LoadImage", "inputs": {"image": "left.png"}},  # whose second output is what is clear
        "12": {"class_type": "ConditioningSetMask", "inputs": {"conditioning": ["10", 0], "mask": ["11", 1]} | told},
    }
    both = {"conditioning_1": ["6", 0], "conditioning_2": ["12", 0]}
    nodes["3"]["inputs"]["positive"] = ["13", 0]
    nodes["13"] = {"class_type": "ConditioningCombine", "inputs": both}
    read = import_layout(nodes, "comfyui", {"left.png": clear_on_the_left()})
    assert read == Layout([Region("a cat", box=(0, 0, 0.5, 1), strength=0.8)], prompt="masterpiece best quality girl")
    assert not caplog.records


def test_comfyui_nodes_that_are_not_read_are_told(layout, caplog):
    exported = export_layout(layout, "comfyui")
    nodes = exported.data
    nodes["area"] = {"class_type": "ConditioningSetArea", "inputs": {"conditioning": ["positive-0", 0], "x": 8}}
    assert len(import_layout(nodes, "comfyui", exported.pictures)) == 2
    assert "node 'ConditioningSetArea' is not read" in caplog.text
    nodes["mask-1"]["class_type"] = "SolidMask"
    with pytest.raises(ValueError, match="masks of the node 'SolidMask' are not read"):
        import_layout(nodes, "comfyui", exported.pictures)


def test_further_texts_of_comfyui_without_a_mask_are_told(layout, caplog):
    exported = export_layout(layout, "comfyui")
    both = {"conditioning_1": ["positive-2", 0], "conditioning_2": ["text-9", 0]}
    nodes = exported.data | {
        "text-9": {"class_type": "CLIPTextEncode", "inputs": {"text": "snow everywhere"}},
        "positive-9": {"class_type": "ConditioningCombine", "inputs": both},
    }
    read = import_layout(nodes, "comfyui", exported.pictures)
    assert (len(read), read.prompt) == (2, PROMPT) and "The text 'snow everywhere' has no mask" in caplog.text


def test_a_workflow_as_the_page_of_comfyui_saves_it_is_refused_with_what_to_do():
    workflow = {"last_node_id": 1, "nodes": [{"id": 1, "type": "CLIPTextEncode"}], "links": []}
    with pytest.raises(ValueError, match="export it in the API form"):
        import_layout(workflow, "comfyui")


def test_comfyui_times_may_be_set_before_the_mask():
    layout = Layout([Region("a cat", box=APPLE), Region("a dog", box=CAR, start=0.2, end=0.6)], prompt="pets")
    exported = export_layout(layout, "comfyui")
    nodes = exported.data
    nodes["timed-2"]["inputs"]["conditioning"] = ["text-2", 0]
    nodes["masked-2"]["inputs"]["conditioning"] = ["timed-2", 0]
    nodes["positive-2"]["inputs"]["conditioning_2"] = ["masked-2", 0]
    assert np.allclose(import_layout(nodes, "comfyui", exported.pictures)[1].times(10), layout[1].times(10))
    assert import_layout(nodes, "comfyui", exported.pictures).phrases == ["a cat", "a dog"]
    nodes["timed-2"]["inputs"]["conditioning"] = ["masked-2", 0]
    with pytest.raises(ValueError, match="not of the format 'comfyui'"):
        import_layout(nodes, "comfyui", exported.pictures)


def test_the_largest_strength_of_comfyui_is_told(layout, caplog):
    nodes = export_layout(layout.edit(1, strength=20), "comfyui").data
    assert nodes["masked-2"]["inputs"]["strength"] == 10 and "strengths up to 10: 'a blue car'" in caplog.text


def test_comfyui_nodes_are_linked_as_its_api_has_it(layout):
    nodes = export_layout(layout, "comfyui").data
    links = [value for node in nodes.values() for value in node["inputs"].values() if isinstance(value, list)]
    assert links and all(source in nodes and output in (0, 1) for source, output in links)


def test_a_mask_in_the_alpha_channel_is_what_is_clear():
    nodes = export_layout(Layout([Region("a cat", box=APPLE)]), "comfyui").data
    nodes["mask-1"]["inputs"]["channel"] = "alpha"
    assert import_layout(nodes, "comfyui", {"layout.mask-1.png": clear_on_the_left()})[0].box == (0, 0, 0.5, 1)


@pytest.mark.parametrize(
    "text",
    [
        "cat MASK(0 0.5, 0 1) AND dog MASK(0.5 1, 0 1)",
        "cat AREA(0 0.5, 0 1) AND dog AREA(0.5 1, 0 1)",
        "cat MASK(0 256) AND dog MASK(256 512)",
        "MASK_SIZE(1024, 1024) cat MASK(0 512, 0 1024) AND dog MASK(512 1024)",
    ],
)
def test_prompt_control_as_its_documents_have_it(text):
    read = import_layout(text, "prompt-control")
    assert [(region.phrase, region.box) for region in read] == [("cat", (0, 0, 0.5, 1)), ("dog", (0.5, 0, 1, 1))]


def test_prompt_control_couples_a_base_as_its_documents_have_it():
    read = import_layout("dog FILL() COUPLE(0.5 1) cat", "prompt-control")
    assert read.prompt == "dog" and read["cat"].box == (0.5, 0, 1, 1)


def test_prompt_control_gets_text(layout, caplog):
    text = export_layout(layout.edit(1, strength=1.5), "prompt-control").data
    regions = "a red apple MASK(0.125 0.375, 0.25 0.5, 1) AND a blue car MASK(0.5 0.875, 0.25 0.75, 1.5)"
    assert text == f"{PROMPT} AND {regions}"


def test_prompt_control_gets_areas_as_its_code_reads_them(layout):
    text = export_layout(layout, "prompt-control-areas").data
    assert (
        text == f"{PROMPT} AND a red apple AREA(0.125 0.25, 0.25 0.25, 1) AND a blue car AREA(0.5 0.375, 0.25 0.5, 1)"
    )


def test_prompt_control_gets_other_shapes_as_attached_masks():
    layout = Layout([Region("a cat", box=APPLE), Region("the sun", disc=(0.5, 0.5, 0.2), strength=2)], prompt="a cat")
    exported = export_layout(layout, "prompt-control")
    assert exported.data.endswith("AND the sun IMASK(0, 2)") and list(exported.pictures) == ["layout.mask-1.png"]
    sun = import_layout(exported.data, "prompt-control", exported.pictures)["the sun"]
    assert sun.strength == 2 and np.abs(sun.rasterize(64, 64) - layout[1].rasterize(64, 64)).mean() < 0.01


def test_prompt_control_reads_the_masks_beside_its_file_in_their_order(tmp_path):
    discs = [((n + 1) / 12, 0.5, 0.05) for n in range(11)]
    layout = Layout([Region(f"ball {n}", disc=disc) for n, disc in enumerate(discs)], prompt="balls")
    export_layout(Layout([Region("the sun", disc=(0.5, 0.5, 0.4))]), "prompt-control", stem="a").save(
        tmp_path / "a.txt"
    )
    exported = export_layout(layout, "prompt-control", 120, 120, stem="mine")
    exported.save(tmp_path / "mine.txt")
    read = import_layout(tmp_path / "mine.txt", "prompt-control")
    assert read == import_layout(exported.data, "prompt-control", exported.pictures)
    assert np.allclose([region.centre for region in read], [disc[:2] for disc in discs], atol=0.01)
    (tmp_path / "masks").mkdir()
    for mask in tmp_path.glob("mine.*.png"):
        mask.rename(tmp_path / "masks" / mask.name)
    assert import_layout(tmp_path / "mine.txt", "prompt-control", tmp_path / "masks") == read


@pytest.mark.parametrize(
    "text", ["cat MASK(0 0.5) FEATHER(16 16 16 16)", "cat:0.5 MASK(0 0.5)", "cat MASK(0 0.5) :0.5"]
)
def test_what_prompt_control_adds_to_masks_is_told(text, caplog):
    assert import_layout(text, "prompt-control").phrases == ["cat"]
    assert "'cat' is read as this text and its first mask alone" in caplog.text


@pytest.mark.parametrize("name", ["prompt-control", "prompt-control-areas"])
@pytest.mark.parametrize("end", ["--ar 3:2", "a sign:5", "at 10:30", "of :-1!noscale", "named: 5", "(red:1.2)"])
def test_prompt_control_does_not_take_the_end_of_a_text_for_a_weight(name, end, caplog):
    layout = Layout([Region(f"a cat {end}", box=APPLE)], prompt=f"a cat {end}")
    text = export_layout(layout, name).data
    for part in re.split(r" AND | (?:MASK|AREA)\(.*?\)", text)[:2]:  # as the tool's `process_settings` takes a weight
        found = re.search(r":(-?\d\.?\d*)(![A-Za-z]+)?$", part.strip())
        assert part[: found.start() if found else None].strip() == f"a cat {end}"
        assert found is None or float(found[1]) == 1 and found[2] is None
    assert again(layout, name) == layout and not caplog.records


def test_prompt_control_takes_no_comment_out_of_a_text():
    layout = Layout([Region("house #7", box=APPLE)], prompt=r"house #7 or \# or \\ or \:2")
    text = export_layout(layout, "prompt-control").data
    assert text == r"house \#7 or \\\# or \\\ or \\:2 :1 AND house \#7 MASK(0.125 0.375, 0.25 0.5, 1)"
    assert again(layout, "prompt-control") == layout
    assert import_layout("a cat # and more\nMASK(0 0.5) AND a dog # AND a tree", "prompt-control").phrases == ["a cat"]


def test_prompt_control_gets_no_open_quotations(caplog):
    layout = Layout([Region('a 5" pipe', box=APPLE)], prompt='the "old" 5" pipe')
    text = export_layout(layout, "prompt-control").data
    assert text.startswith('the "old" 5 pipe AND a 5 pipe MASK(')
    assert "'a 5\" pipe' has a quotation mark without its other" in caplog.text


def test_what_stands_in_quotation_marks_is_text_to_prompt_control():
    read = import_layout('a wall AND text saying "CAT AND DOG MASK(1)", "now" MASK(0 0.5)', "prompt-control")
    assert read.phrases == ['text saying "CAT AND DOG MASK(1)", "now"'] and read[0].box == (0, 0, 0.5, 1)
    assert import_layout('text saying "CAT AND DOG"', "prompt-control").prompt == 'text saying "CAT AND DOG"'


def test_what_prompt_control_does_not_mask_has_the_whole_picture():
    read = import_layout("a park AND a cat MASK(0 0.5) AND a tree", "prompt-control")
    assert read == Layout([Region("a cat", box=(0, 0, 0.5, 1)), Region("a tree", box=(0, 0, 1, 1))], prompt="a park")
    assert import_layout("cat COUPLE dog", "prompt-control") == Layout([Region("dog", box=(0, 0, 1, 1))], prompt="cat")
    coupled = import_layout("cat MASK(0 0.5) COUPLE dog", "prompt-control")
    assert coupled.phrases == ["cat", "dog"] and coupled.prompt == ""


@pytest.mark.parametrize("text", ["garbage", "", "a cat and a mask (red)"])
def test_text_without_anything_of_prompt_control_is_a_prompt_and_told(text, caplog):
    assert import_layout(text, "prompt-control") == Layout(prompt=text)
    assert f"{text!r} has no AND, COUPLE, MASK, IMASK or AREA" in caplog.text


# --- InvokeAI ---------------------------------------------------------------------------------------------------


def guidance(*objects, **told):
    """A layer of regional guidance, with the fields that InvokeAI's `zCanvasRegionalGuidanceState` asks for."""
    layer = {
        "id": "regional_guidance:a", "name": None, "isEnabled": True, "isLocked": False, "type": "regional_guidance",
        "position": {"x": 0, "y": 0}, "opacity": 0.5, "objects": list(objects), "positivePrompt": "a green fox",
        "fill": {"style": "solid", "color": {"r": 121, "g": 157, "b": 219}}, "negativePrompt": None,
        "referenceImages": [], "autoNegative": False,
    }  # fmt: skip
    return layer | told


def rect(x, y, width, height, **told):
    ink = {"color": {"r": 255, "g": 255, "b": 255, "a": 1}, "clip": None}
    return {"id": "rect:a", "type": "rect", "rect": {"x": x, "y": y, "width": width, "height": height}} | ink | told


def test_invokeai_layers_as_its_canvas_has_them():
    frame = {"rect": {"x": 100, "y": 0, "width": 400, "height": 200}}
    layers = [
        guidance(rect(0, 0, 100, 100), position={"x": 200, "y": 50}, negativePrompt="snow"),
        guidance(rect(100, 0, 400, 200), rect(300, 0, 200, 200, compositeOperation="destination-out")),
        guidance(rect(0, 0, 10, 10), isEnabled=False),
    ]
    state = {"regionalGuidance": {"isHidden": False, "entities": layers}, "bbox": frame}
    fox, left = import_layout(state, "invokeai")
    assert (fox.phrase, fox.box, fox.negative_prompt) == ("a green fox", (0.25, 0.25, 0.5, 0.75), "snow")
    assert left.box == (0, 0, 0.5, 1)
    metadata = {"canvas_v2_metadata": {"regionalGuidance": [guidance(rect(0, 0, 256, 512))]}}
    assert import_layout(metadata, "invokeai")[0].box == (0, 0, 0.5, 1)


def test_invokeai_strokes_are_read_as_masks():
    stroke = {"id": "brush:a", "type": "brush_line", "strokeWidth": 64, "points": [64, 256, 448, 256], "clip": None}
    rubber = {"id": "rubber:a", "type": "eraser_line", "strokeWidth": 64, "points": [384, 0, 384, 512], "clip": None}
    fox = import_layout({"regionalGuidance": [guidance(stroke, rubber)]}, "invokeai")[0]
    grid = fox.rasterize(8, 8)
    assert grid[3, 2] > 0.4 and grid[0].max() == 0 and grid[3, 5:7].max() < grid[3, 2]


@pytest.mark.parametrize(
    "shape",
    [
        {"disc": (0.5, 0.5, 0.25)},
        {"polygon": ((0.1, 0.9), (0.5, 0.1), (0.9, 0.9))},
        {"mask": np.tri(16, dtype=np.float32)},
    ],
)
def test_invokeai_keeps_shapes(shape):
    layout = Layout([Region("the sun", negative_prompt="clouds", **shape)])
    sun = again(layout, "invokeai")["the sun"]
    assert np.abs(sun.rasterize(64, 64) - layout[0].rasterize(64, 64)).mean() < 0.03
    assert sun.negative_prompt == "clouds"
    assert again(layout.edit(0, negative_prompt=""), "invokeai")[0].negative_prompt == ""


def picture_of_a_layer(**told):
    return {"id": "image:a", "type": "image", "image": {"image_name": "abc.png", "width": 512, "height": 512} | told}


def project(path, layers, pictures=(), name="images/abc.png"):
    """An archive as InvokeAI's `useCanvasProjectSave.ts` writes one."""
    frame = {"rect": {"x": 0, "y": 0, "width": 512, "height": 512}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("canvas_state.json", json.dumps({"regionalGuidance": layers, "bbox": frame}))
        for picture in pictures:
            archive.writestr(name, picture)
    return path


def test_pictures_of_an_invokeai_project_are_read_from_its_archive(tmp_path, caplog):
    left = png(clear_on_the_left().resize((512, 512), Image.Resampling.NEAREST))
    path = project(tmp_path / "real.invk", [guidance(picture_of_a_layer())], [left])
    assert import_layout(path, "invokeai")[0].box == (0.5, 0, 1, 1) and not caplog.records
    own = {"abc.png": Image.new("RGBA", (256, 512))}
    own["abc.png"].paste((0, 0, 0, 255), (0, 0, 128, 512))
    assert import_layout(path, "invokeai", own)[0].box == (0, 0, 0.25, 1)


def test_an_invokeai_layer_is_left_out_if_its_picture_is_on_the_server_alone(tmp_path, caplog):
    layers = [guidance(picture_of_a_layer()), guidance(rect(0, 0, 256, 512), positivePrompt="a hill")]
    path = project(tmp_path / "real.invk", layers)
    for source in (path, {"regionalGuidance": layers}):
        caplog.clear()
        assert import_layout(source, "invokeai").phrases == ["a hill"]
        assert "The layer 'a green fox' is left out: the picture 'abc.png' is missing" in caplog.text


def test_pictures_too_large_to_be_masks_are_refused(tmp_path):
    path = project(tmp_path / "many_bytes.invk", [guidance(picture_of_a_layer())], [bytes(2**26 + 1)])
    with pytest.raises(ValueError, match="more than 64 MB"):
        import_layout(path, "invokeai")
    wide = png(Image.new("1", (2**14, 2**12 + 1)))
    path = project(tmp_path / "many_pixels.invk", [guidance(picture_of_a_layer())], [wide])
    with pytest.raises(ValueError, match="it has 16384 x 4097 pixels"):
        import_layout(path, "invokeai")
    frame = {"rect": {"x": 0, "y": 0, "width": 2**14, "height": 2**14}}
    with pytest.raises(ValueError, match="A drawing of 16384 x 16384 pixels is too large"):
        import_layout({"bbox": frame, "regionalGuidance": []}, "invokeai")


@pytest.mark.parametrize("reach", [{"position": {"x": 600, "y": 0}}, {}])
def test_an_invokeai_layer_that_shows_nothing_is_left_out(reach, caplog):
    nothing = guidance(rect(0, 0, 64, 64, compositeOperation="source-over" if reach else "destination-out"), **reach)
    read = import_layout({"regionalGuidance": [nothing, guidance(rect(0, 0, 256, 512), name="left")]}, "invokeai")
    assert [region.box for region in read] == [(0, 0, 0.5, 1)]
    assert "The layer 'a green fox' shows nothing in the picture" in caplog.text


def test_what_an_invokeai_layer_has_besides_is_told(caplog):
    layer = guidance(rect(0, 0, 64, 64, clip={"x": 0}), referenceImages=[{"id": "a"}], autoNegative=True)
    import_layout({"regionalGuidance": [layer]}, "invokeai")
    assert "'a green fox', referenceImages and autoNegative and clip is not read" in caplog.text


def test_an_invokeai_rectangle_narrower_than_a_pixel_is_drawn():
    layer = guidance(rect(0, 0, 64, 64), rect(100, 0, 0.5, 64))
    assert import_layout({"regionalGuidance": [layer]}, "invokeai")[0].bounds[2] == pytest.approx(101 / 512)


def test_an_invokeai_project_has_the_parts_that_it_loads(layout):
    parts = export_layout(layout, "invokeai", 768, 512).data
    assert parts["manifest.json"]["version"] == 1
    bbox = parts["canvas_state.json"]["bbox"]
    assert bbox["rect"] == {"x": 0, "y": 0, "width": 768, "height": 512} and bbox["aspectRatio"]["value"] == 1.5
    assert json.dumps(parts)


# --- FLUX.3 and Ideogram 4 --------------------------------------------------------------------------------------


def test_flux3_boxes_as_diffusers_documents_them(layout):
    data = export_layout(layout, "flux3").data
    assert data["boxes"][0] == {"id": "apple_1", "desc": "a red apple", "bbox": [0.25, 0.125, 0.5, 0.375]}
    cup = {"id": "cup_1", "desc": "a cup", "from": "ref_image_1", "src_bbox": [0, 0, 1, 1]}
    moved, gone = cup | {"tgt_bbox": [0.5, 0, 1, 0.5]}, cup | {"id": "cup_2", "tgt_bbox": None}
    read = import_layout({"boxes": [moved, gone]}, "flux3")
    assert [region.box for region in read] == [(0, 0.5, 0.5, 1)]


def test_flux3_ids_are_words_with_a_number():
    strange = Layout([Region("a T-shirt", box=APPLE), Region("2CV", box=CAR)], prompt="a T-shirt and a 2CV")
    ids = [box["id"] for box in export_layout(strange, "flux3").data["boxes"]]
    assert ids == ["t_shirt_1", "cv_2"]


def test_flux3_boxes_need_no_id():
    assert import_layout({"boxes": [{"bbox": [0, 0, 0.5, 1]}]}, "flux3").phrases == ["obj_1"]


def test_ideogram_captions_as_its_guide_has_them(caplog):
    elements = [
        {"type": "text", "bbox": [360, 80, 560, 920], "text": "FRESH", "desc": "a huge bold white headline, centered"},
        {"type": "text", "text": "NOV 15", "desc": "Small uppercase caption centered near the bottom edge"},
        {"type": "obj", "desc": "White ceramic cup"},
    ]
    scene = {"background": "A deep purple gradient", "elements": elements}
    read = import_layout({"high_level_description": "A poster", "compositional_deconstruction": scene}, "ideogram")
    assert read.phrases == ['the words "FRESH"', 'the words "NOV 15"'] and read.background == "A deep purple gradient"
    assert read[0].box == (0.08, 0.36, 0.92, 0.56)
    assert read[1].box == pytest.approx((1 / 3, 2 / 3, 2 / 3, 1)) and "'White ceramic cup' has no place" in caplog.text


def test_ideogram_gets_one_line_with_places_in_words(layout):
    text = export_layout(layout, "ideogram").data
    assert "\n" not in text and list(json.loads(text)) == ["high_level_description", "compositional_deconstruction"]
    scene = json.loads(text)["compositional_deconstruction"]
    assert scene["elements"][0] == {
        "type": "obj", "bbox": [250, 125, 500, 375], "desc": "a red apple, on the left of the picture",
    }  # fmt: skip


@pytest.mark.parametrize("background", [None, "a wall"])
def test_ideogram_layouts_come_back_as_they_were(layout, background):
    first = Layout([*layout.regions, Region("a hair", box=(0.5, 0.5, 0.501, 1))], prompt=PROMPT, background=background)
    assert again(first, "ideogram") == first == again(again(first, "ideogram"), "ideogram")


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5005, 0.5005), (0.9996, 0, 1, 1e-9), (0.07, 0.29, 0.07001, 0.57)])
def test_ideogram_boxes_are_never_empty(box):
    read = again(Layout([Region("a hair", box=box)]), "ideogram")[0].box
    assert np.allclose(read, box, atol=1e-3) and read[0] <= box[0] and box[2] <= read[2]


def test_what_an_ideogram_caption_has_besides_is_told(caplog):
    element = {"type": "obj", "bbox": [0, 0, 500, 500], "desc": "a cup", "color_palette": ["#fff"]}
    scene = {"background": "a table", "elements": [element]}
    import_layout({"style_description": {}, "compositional_deconstruction": scene}, "ideogram")
    assert "Of the caption, color_palette, style_description are not read" in caplog.text


# --- The command ------------------------------------------------------------------------------------------------


def test_the_command_prints_and_saves_a_format(tmp_path, capsys):
    folder = tmp_path / "layouts"
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"id": "one", "prompt": "a cat above a green bus"}\n', encoding="utf-8")
    assert main(["layout", "--prompts", str(prompts), "--format", "comfyui", "--save-layout", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["text-1"]["inputs"]["text"] == "a cat"
    assert sorted(path.name for path in folder.iterdir()) == ["one.json", "one.mask-1.png", "one.mask-2.png"]
    assert import_layout(folder / "one.json", "comfyui").phrases == ["a cat", "a green bus"]


def test_the_command_gives_other_tools_the_boxes_as_predicted(capsys):
    assert main(["layout", "a cat above a green bus", "--format", "flux3"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert import_layout(data, "flux3").regions == RuleLayoutPredictor()("a cat above a green bus").regions


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--format", "jpeg"], "no format 'jpeg'; known are gligen"),
        (["--format", "comfyui"], "--format comfyui needs files for the masks"),
        (["--format", "invokeai", "--save-layout", "a.json"], "files of --format invokeai end in .invk, got 'a.json'"),
    ],
)
def test_the_command_says_what_a_format_lacks(options, told, capsys):
    assert main(["layout", "a cat above a green bus", *options]) == 2
    assert told in capsys.readouterr().err


def test_the_command_draws_the_layouts_of_other_tools(layout, tmp_path, capsys):
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"id": "one", "prompt": PROMPT}), encoding="utf-8")
    prompts, theirs, ours = (str(tmp_path / name) for name in ("prompts.jsonl", "theirs", "ours"))
    (tmp_path / "theirs").mkdir()
    export_layout(layout, "prompt-control").save(tmp_path / "theirs" / "one.txt")
    given = ["generate", "--prompts", prompts, "--layout", theirs, "--format", "prompt-control", "--steps", "1"]
    assert main([*given, "-o", ours, "--save-layout", ours]) == 0
    assert (tmp_path / "ours" / "one.png").is_file()
    assert Layout.load(tmp_path / "ours" / "one.json").regions == layout.regions


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--format", "flux3"], "--format tells which tool a --layout is of: add --layout FILE."),
        (["--format", "jpeg", "--layout", "a.json"], "no format 'jpeg'; known are gligen"),
        (["--format", "flux3", "--layout", "nope.json"], "The file 'nope.json' cannot be read"),
    ],
)
def test_the_command_says_what_a_layout_of_another_tool_lacks(options, told, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("spacetime_attn.cli.loading.configs_of", None)  # no model is looked for
    assert main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), *options]) == 2
    assert told in capsys.readouterr().err
