"""Videos from key frames, on the page and by the command."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from conftest import tiny_components
from diffusers import MotionAdapter, StableDiffusionPipeline
from PIL import Image
from test_other_pipelines import made_to_move

from spacetime_attn import ControlledPipeline, Layout, Region, spacetime_attention
from spacetime_attn.cli import main
from spacetime_attn.editor.abilities import Abilities
from spacetime_attn.editor.drawing import Run, Studio
from spacetime_attn.editor.drawing_events import DrawingEvents
from spacetime_attn.editor.layout_events import LayoutEvents
from spacetime_attn.editor.page import _first_settings, build
from spacetime_attn.editor.parts import Parts
from spacetime_attn.editor.reading import Reader
from spacetime_attn.editor.scene import Scene
from spacetime_attn.editor.settings import Settings
from spacetime_attn.videos import animated, as_gif, most_frames


PROMPT = "a red apple and a blue car"
FRAMES = 5
LEFT, RIGHT = (0.0, 0.2, 0.3, 0.6), (0.7, 0.2, 1.0, 0.6)
LAYOUT = Layout((Region("a red apple", box=LEFT), Region("a blue car", box=(0.4, 0.5, 0.6, 0.9))), prompt=PROMPT)
SETTINGS = Settings(width=32, height=32, steps=3, guidance=5.0, seed=3, frames=FRAMES)


def moving(frame: int = FRAMES - 1) -> Scene:
    """An apple that moves to the right until that frame, which is being edited."""
    return Scene().read(PROMPT, LAYOUT).at(frame).moved(0, RIGHT, resized=False)


def boxes(scene: Scene, index: int = 0) -> list[tuple]:
    """Of a region in all frames."""
    return [layout[index].box for layout in scene.of_video(FRAMES)]


def frames_of(path) -> np.ndarray:
    with Image.open(path) as gif:
        return np.stack([np.asarray(_at(gif, number).convert("RGB"), int) for number in range(gif.n_frames)])


def _at(gif: Image.Image, number: int) -> Image.Image:
    gif.seek(number)
    return gif


# Key frames


def test_a_box_that_is_moved_in_another_frame_goes_there_in_a_straight_line():
    scene = moving()
    assert scene.key_frames == (0, 4) and Scene().read(PROMPT, LAYOUT).at(2).of_video(FRAMES) == LAYOUT
    assert [box[0] for box in boxes(scene)] == pytest.approx([0, 0.175, 0.35, 0.525, 0.7])
    assert set(boxes(scene, 1)) == {LAYOUT[1].box}
    assert scene.at(1).layout[0].box[0] == pytest.approx(0.175) and scene.at(0).layout == LAYOUT
    between = scene.at(2).moved(0, (0.0, 0.6, 0.3, 1.0), resized=False)
    assert between.key_frames == (0, 2, 4) and between.at(4).layout == scene.layout
    assert [box[1] for box in boxes(between)] == pytest.approx([0.2, 0.4, 0.6, 0.4, 0.2])


def test_what_is_after_the_end_is_still_moved_to():
    scene = moving(2 * FRAMES - 2)
    assert boxes(scene)[-1][0] == pytest.approx(0.35) and len(boxes(scene)) == FRAMES


def test_a_key_frame_is_taken_away_and_undo_brings_it_back():
    scene = moving().at(2).moved(0, LEFT, resized=False)
    left = scene.without_key_frame()
    assert left.key_frames == (0, 4) and left.frame == 2 and left.layout[0].box[0] == pytest.approx(0.35)
    back = left.at(0).undone()
    assert boxes(back) == boxes(scene) and back.frame == 2
    for wrong in (left, Scene().read(PROMPT, LAYOUT)):
        with pytest.raises(ValueError, match="Frame . is no key frame, or the only one"):
            wrong.without_key_frame()


def test_strength_and_softness_are_of_a_key_frame_and_all_else_of_all():
    scene = moving().picked(0).changed(strength=0.0).changed(softness=0.2).changed(description="an apple of glass")
    first, _, middle, *_ = scene.of_video(FRAMES)
    assert (first[0].strength, middle[0].strength, first[0].softness) == (1.0, 0.5, 0.0)
    assert first[0].description == "an apple of glass" and scene.key_frames == (0, 4)
    renamed = scene.at(1).changed(phrase="a pear")
    assert renamed.key_frames == (0, 4) and {layout[0].phrase for layout in renamed.of_video(FRAMES)} == {"a pear"}


@pytest.mark.parametrize("shape", [{"mask": np.eye(8)}, {"disc": (0.5, 0.5, 0.2)}])
def test_what_cannot_be_moved_to_has_one_shape_in_all_key_frames(shape):
    scene = moving().picked(0).changed(strength=0.5).at(2).changed(**shape)
    layouts = scene.of_video(FRAMES)
    assert {layout[0].box for layout in layouts} == {None} and layouts[2][0].strength == 0.75
    if "mask" in shape:
        moved = scene.moved(0, (0.0, 0.0, 0.5, 0.5), resized=True)
        assert len({layout[0].rasterize(16, 16).tobytes() for layout in moved.of_video(FRAMES)}) == 1
        assert moved.key_frames == (0, 4)


def test_objects_come_and_go_in_all_key_frames():
    scene = moving().with_new(RIGHT).moved(2, LEFT, resized=False)
    assert [boxes(scene, 2)[n] for n in (0, -1)] == [RIGHT, LEFT] and boxes(scene)[-1] == pytest.approx(RIGHT)
    assert boxes(scene.without(1), 1) == boxes(scene, 2)
    tree = Region("a tree", box=(0, 0, 0.1, 0.1))
    kept = scene.kept(replace(LAYOUT, regions=(tree, LAYOUT[0])))
    assert kept.layout.phrases == ["a tree", "a red apple", "something"]
    assert boxes(kept, 1) == boxes(scene) and set(boxes(kept)) == {tree.box}
    anew = kept.placed_anew(LAYOUT)
    assert anew.of_video(FRAMES) == LAYOUT and boxes(anew.undone(), 1) == boxes(scene)


# The page


@pytest.fixture
def pipe(stock) -> ControlledPipeline:
    pipe = ControlledPipeline(made_to_move(stock, moves=True))
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def page(pipe, tmp_path) -> tuple[Parts, LayoutEvents, DrawingEvents]:
    reader = Reader(pipe)
    with gr.Blocks():
        parts = Parts(reader, SETTINGS, (1.0,) * 6, Abilities.of(pipe))
        layouts = LayoutEvents(parts, reader)
        return parts, layouts, DrawingEvents(parts, Studio(pipe, tmp_path), layouts)


def test_the_page_shows_what_is_for_videos_alone(pipe, page):
    parts, *_ = page
    assert Abilities.of(pipe).frames == most_frames(pipe.pipe) == 32
    assert _first_settings(pipe, Abilities.of(pipe)) == Settings(32, 32, 50, 7.5, frames=16)
    assert all(part.visible for part in (parts.frame, parts.frames, parts.no_key_frame))
    of_pictures = (parts.file, parts.compare, parts.pictures, parts.best_of, parts.upscale, parts.stride)
    assert not any(is_visible(part) for part in of_pictures) and is_visible(parts.steps)


def test_the_predictor_that_the_pipeline_has_is_chosen(pipe):
    assert (
        Reader(pipe).default == "transformer"
        and Reader(ControlledPipeline(pipe.pipe, None, "rules")).default == "rules"
    )


def is_visible(part) -> bool:
    return part is None or part.visible and is_visible(part.parent)


def test_the_page_draws_what_is_drawn_under_control_in_python(pipe, tmp_path, monkeypatch):
    monkeypatch.setattr("spacetime_attn.editor.drawing._PREVIEW_PAUSE", 0)
    studio, layouts, settings = Studio(pipe, tmp_path), moving().of_video(FRAMES), replace(SETTINGS, curve=(3.0, 1.0))
    *progress, end = studio.draw(PROMPT, layouts, replace(settings, background="snow"), Run())
    assert [(news.done, news.total) for news in progress] == [(1, 3), (2, 3), (3, 3)]
    assert progress[-1].preview.size == (32, 32)
    options = settings.options(LAYOUT, "guided")
    weights, snowy = [options.pop("weights")] * FRAMES, [replace(layout, background="snow") for layout in layouts]
    with spacetime_attention(pipe.pipe, snowy, weights=weights, preset=pipe.defaults):
        frames = pipe.pipe(PROMPT, generator=torch.Generator().manual_seed(3), **options).frames[0]
    assert end.pictures[0].path.read_bytes() == as_gif(frames)
    *_, still = studio.draw(PROMPT, LAYOUT, settings, Run())
    pictures = [frames_of(finished.pictures[0].path) for finished in (end, still)]
    assert len(pictures[0]) == len(pictures[1]) == FRAMES and (pictures[0] != pictures[1]).any(axis=(1, 2, 3)).all()


def test_each_frame_has_its_layout(pipe):
    options = {"num_frames": FRAMES, "num_inference_steps": 2, "height": 32, "width": 32}
    moved = pipe(PROMPT, layout=moving().of_video(FRAMES), weights=0.5, output_type="latent", **options)
    assert moved.images.shape == (FRAMES, 4, 16, 16) and moved.weights.shape == (FRAMES, 2, 2)
    assert [layout[0].box for layout in moved.layouts] == boxes(moving()) and moved.making is None
    still = pipe(PROMPT, layout=LAYOUT, **options)
    assert len(still.images) == FRAMES and still.layouts == [LAYOUT] * FRAMES and len(still.weights) == FRAMES


@pytest.mark.parametrize(
    "frames, layouts, told",
    [
        (33, 1, "`num_frames` is 33, and this motion adapter draws 32 at most"),
        (FRAMES, 3, "`layout` holds 3 layouts for 5 frames: pass one for each, or one for all"),
        (FRAMES, 0, "`layout` holds 0 layouts for 5 frames"),
        (None, FRAMES, "`layout` holds 5 layouts for 16 frames"),
        (2.5, 1, "`num_frames` has to be a whole number from 1, got 2.5"),
    ],
)
def test_frames_and_layouts_that_do_not_fit_are_refused_before_any_work(pipe, monkeypatch, frames, layouts, told):
    monkeypatch.setattr(pipe.pipe, "encode_prompt", None)
    pipe.layout_predictor = None
    for layout in ([LAYOUT] * layouts, None if layouts == 1 else [LAYOUT] * layouts):
        with pytest.raises((ValueError, TypeError), match=told):
            pipe(PROMPT, layout=layout, num_frames=frames)


def test_the_canvas_goes_along_with_the_frame(page, tmp_path):
    parts, layouts, drawing = page
    shown = layouts.gone_to(2, moving())
    assert shown[parts.canvas]["regions"][0]["bounds"][0] == pytest.approx(0.35) and parts.frame not in shown
    assert not shown[parts.no_key_frame].interactive and layouts.view(moving())[parts.no_key_frame].interactive
    shorter = layouts.cut_off(3, moving())
    assert shorter[parts.scene].frame == shorter[parts.frame].maximum == shorter[parts.frame].value == 2
    assert layouts.view(moving())[parts.frame].info.startswith("Key frames: 0, 4.")
    others = (32, 32, "rules", 0, 0, "plain")
    for frames, frame in ((5, 4), (3, 2)):  # what is undone was done in frame 4
        undone = layouts.undone(frames, PROMPT, moving(), (), (), *others)
        assert undone[parts.scene].frame == undone[parts.frame].value == frame and not undone[parts.scene].past

    *_, end = drawing._studio.draw(PROMPT, moving().of_video(FRAMES), SETTINGS, Run())
    backdrops = [drawing.gone_to(frame, end.pictures, True)[parts.canvas].props["picture"] for frame in (0, 4, 9)]
    assert backdrops[0] != backdrops[1] == backdrops[2]
    assert drawing.gone_to(0, end.pictures, False)[parts.canvas].props["picture"] is None
    assert parts.canvas not in drawing.gone_to(0, (), True)


def test_a_run_ends_with_the_frame_that_is_seen_by_then(pipe):
    handlers = [one for one in build(pipe).fns.values() if one.fn]
    [draw] = [one._id for one in handlers if one.fn.__name__ == "draw"]
    after = {one.fn.__name__: one.inputs for one in handlers if one.trigger_after == draw}
    assert after.keys() == {"end", "gone_to"} and after["gone_to"][0].elem_id == "frame"


# The command


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With the checkpoints `pictures` and `videos`, the motion adapter of the latter, and layouts."""
    folder = tmp_path_factory.mktemp("folder")
    pictures = StableDiffusionPipeline(**tiny_components(), requires_safety_checker=False)
    videos = made_to_move(pictures, moves=False)
    pictures.save_pretrained(folder / "pictures")
    videos.save_pretrained(folder / "videos")
    videos.motion_adapter.save_pretrained(folder / "adapter")
    LAYOUT.save(folder / "first.json")
    moving().layout.save(folder / "last.json")
    LAYOUT.edit(0, phrase="a pear").save(folder / "pear.json")
    shutil.copytree(folder / "pictures", folder / "configs", ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


@pytest.fixture
def generate(folder, tmp_path, monkeypatch, capsys):
    """Runs the command with few steps; what it says if it refuses, else its first line."""
    for place in folder.iterdir():
        (tmp_path / place.name).symlink_to(place)
    monkeypatch.chdir(tmp_path)

    def run(*options: str) -> str:
        code = main(["generate", PROMPT, "-o", "a.gif", "--steps", "2", "--preset", "early", *options])
        said = capsys.readouterr()
        return said.err if code else said.out.splitlines()[0]

    return run


def test_the_command_draws_a_video_from_key_frames(generate, tmp_path):
    options = ["--num-frames", "5", "--layout", "first.json", "--seed", "3"]
    assert generate(*options, "--model", "videos", "--key-frame", "4=last.json") == "a.gif (seed 3)"
    saved = frames_of(tmp_path / "a.gif")
    assert generate(*options, "--model", "videos", "-o", "still.gif") == "still.gif (seed 3)"
    still = frames_of(tmp_path / "still.gif")
    assert len(saved) == len(still) == FRAMES
    assert (saved[0] == still[0]).all() and (saved[4] != still[4]).any()  # no frame is seen by the next


def test_many_prompts_have_folders_of_key_frames_and_are_resumed(generate, tmp_path, capsys):
    for name, right in {"one": False, "two": True}.items():
        for frame, file in (("first", "first.json"), ("last", "last.json" if right else "first.json")):
            (tmp_path / frame).mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / frame / f"{name}.json")
    lines = [json.dumps({"id": name, "prompt": PROMPT}) for name in ("one", "two")]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    options = ["generate", "--prompts", "prompts.jsonl", "-o", "out", "--model", "videos", "--steps", "2"]
    options += ["--num-frames", "5", "--layout", "first", "--key-frame", "4=last", "--preset", "early"]
    assert main(options) == 0
    one, two = (frames_of(tmp_path / f"out/{name}.gif") for name in ("one", "two"))
    assert (one[0] == two[0]).all() and (one[4] != two[4]).any()
    (tmp_path / "out/two.gif").unlink()
    capsys.readouterr()
    assert main([*options, "--resume"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["1 of 2 are there already", "out/two.gif (seed 0)"]
    assert (frames_of(tmp_path / "out/two.gif") == two).all()


def test_a_motion_adapter_makes_a_checkpoint_for_pictures_draw_videos(generate, tmp_path):
    options = ["--num-frames", "5", "--model", "pictures", "--motion-adapter", "adapter", "--save-layout", "a.json"]
    assert generate(*options, "--objects", "a blue car") == "a.json"
    assert [found["phrase"] for found in json.loads((tmp_path / "a.json").read_text())["objects"]] == ["a blue car"]
    adapter = MotionAdapter.from_pretrained("adapter")
    video = ControlledPipeline(animated(StableDiffusionPipeline.from_pretrained("pictures"), adapter), "early")
    assert video.scheduler.config.beta_schedule == "linear"
    layout = Layout.load(tmp_path / "a.json")
    frames = video(PROMPT, layout, num_frames=5, num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    assert (tmp_path / "a.gif").read_bytes() == as_gif(frames.images)


REFUSED = {
    "pictures in the place of a video": (["--model", "videos"], "draws videos: add --num-frames"),
    "a video in the place of pictures": (["--num-frames", "5"], "draws pictures: add --motion-adapter"),
    "a second pass": (["--num-frames", "5", "--upscale", "2"], "--upscale is for pictures, --num-frames for videos"),
    "another kind of file": (["--num-frames", "5", "-o", "a.png"], "name that ends in .gif, not 'a.png'"),
    "key frames of a picture": (["--key-frame", "4=last.json"], "--key-frame is for videos: add --num-frames"),
    "a key frame outside": (
        ["--num-frames", "3", "--key-frame", "4=last.json"],
        "--key-frame 4=last.json: the frames are 0..2",
    ),
    "two layouts of a frame": (
        ["--num-frames", "5", "--key-frame", "4=last.json", "--key-frame", "4=first.json"],
        "--key-frame 4=first.json: frame 4 has one already",
    ),
    "a key frame for the layout's": (
        ["--num-frames", "5", "--key-frame", "0=first.json"],
        "--key-frame 0=first.json: frame 0 has the --layout",
    ),
    "key frames of other objects, before the model is read": (
        ["--num-frames", "5", "--model", "none", "--layout", "first.json", "--key-frame", "4=pear.json"],
        "All `key_frames` need the same objects, and 'a pear'",
    ),
    "an adapter for a video": (
        ["--num-frames", "5", "--model", "videos", "--motion-adapter", "adapter"],
        "--motion-adapter is for Stable Diffusion 1.x",
    ),
    "an adapter of another size": (
        ["--num-frames", "5", "--motion-adapter", "adapter"],
        r"is for UNets with (32, 64) channels, and this one has (64, 128)",
    ),
    "an adapter that is none, before the weights are read": (
        ["--num-frames", "5", "--model", "configs", "--motion-adapter", "first.json"],
        "--motion-adapter: 'first.json' cannot be loaded as one",
    ),
    "an IP-Adapter": (
        ["--num-frames", "5", "--motion-adapter", "adapter", "--ip-adapter", "ip"],
        "--ip-adapter is for pictures, --motion-adapter for videos",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused(generate, case):
    options, told = REFUSED[case]
    assert told in generate(*options)


def test_checkpoints_of_other_pipelines_for_videos_are_refused(generate, tmp_path):
    index = json.loads((tmp_path / "videos/model_index.json").read_text())
    for kind in ("AnimateDiffControlNetPipeline", "AnimateDiffSDXLPipeline"):
        (tmp_path / "model_index.json").write_text(json.dumps(index | {"_class_name": kind}))
        assert f"A checkpoint of {kind} is not supported" in generate("--num-frames", "5", "--model", ".")


def test_the_layout_of_a_video_is_told_without_its_weights(folder, tmp_path, capsys):
    shutil.copytree(folder / "videos", tmp_path / "videos", ignore=shutil.ignore_patterns("*.safetensors"))
    assert main(["layout", PROMPT, "--model", str(tmp_path / "videos"), "--preset", "early"]) == 0
    assert capsys.readouterr().out.startswith("a red apple: box (")
