"""The console command on the checkpoint that ships, in few steps."""

import io
import json
import re
import shutil
from pathlib import Path

import diffusers
import huggingface_hub
import pytest
import torch
import transformers
from diffusers.loaders import single_file_utils
from original_checkpoints import original_checkpoint
from PIL import Image
from safetensors.torch import save_file

from spacetime_attn import Layout, default_model, load_weights
from spacetime_attn.cli import main
from spacetime_attn.layout import language


PROMPT = "a red apple to the left of a blue car"
FAST = ["--steps", "2"]


def test_generate_makes_a_picture_and_says_what_went_where(tmp_path, capsys):
    target = tmp_path / "new" / "apple.png"
    assert main(["generate", PROMPT, "-o", str(target), *FAST]) == 0
    assert Image.open(target).size == (64, 64)
    said = capsys.readouterr().out
    assert str(target) in said and "a red apple" in said and "left of" in said


def test_generate_shows_its_progress(tmp_path, capsys):
    main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), *FAST])
    assert "2/2" in capsys.readouterr().err


def test_the_seed_makes_the_picture(tmp_path):
    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        main(["generate", PROMPT, "-o", str(tmp_path / f"{name}.png"), "--seed", str(seed), *FAST])
    a, b, c = (Image.open(tmp_path / f"{name}.png").tobytes() for name in "abc")
    assert a == b != c


def test_several_pictures_are_numbered_and_have_seeds_that_count_up(tmp_path):
    main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), "--num-images", "2", "--seed", "3", *FAST])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.png", "a-2.png"]
    main(["generate", PROMPT, "-o", str(tmp_path / "b.png"), "--seed", "4", *FAST])
    second, alone = Image.open(tmp_path / "a-2.png"), Image.open(tmp_path / "b.png")
    assert max(abs(x - y) for x, y in zip(second.tobytes(), alone.tobytes(), strict=True)) <= 1


def test_a_saved_layout_can_be_edited_and_used(tmp_path, capsys):
    saved, edited = tmp_path / "layouts" / "apple.json", tmp_path / "edited.json"
    main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), "--save-layout", str(saved), *FAST])
    layout = Layout.load(saved)
    assert len(layout) == 2
    layout.edit(0, box=(0.1, 0.2, 0.3, 0.4)).save(edited)
    capsys.readouterr()
    main(["generate", PROMPT, "-o", str(tmp_path / "b.png"), "--layout", str(edited), *FAST])
    assert "box (0.10, 0.20, 0.30, 0.40)" in capsys.readouterr().out
    assert Image.open(tmp_path / "a.png").tobytes() != Image.open(tmp_path / "b.png").tobytes()


def test_show_layout_adds_the_picture_with_its_regions(tmp_path):
    main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), "--show-layout", *FAST])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.layout.png", "a.png"]
    shown = Image.open(tmp_path / "a.layout.png").convert("RGB")
    picture, regions = (shown.crop((left, 0, left + 512, 512)) for left in (0, shown.width - 512))
    assert picture.tobytes() == Image.open(tmp_path / "a.png").resize((512, 512)).tobytes() != regions.tobytes()


def test_the_options_reach_the_pipeline(tmp_path):
    options = ["--width", "96", "--height", "32", "--guidance-scale", "1", "--blend", "convex", "--weights", "0.3"]
    options += ["--negative-prompt", "a dog", "--device", "cpu", "--dtype", "float32"]
    assert main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), *options, *FAST]) == 0
    assert Image.open(tmp_path / "a.png").size == (96, 32)


def test_all_that_is_printed_is_files_seeds_and_what_went_where(tmp_path, capsys):
    options = ["--num-images", "2", "--seed", "7", "--show-layout", "--save-layout", str(tmp_path / "l.json")]
    options += ["--save-weights", str(tmp_path / "w.json")]
    assert main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), *options, *FAST]) == 0
    told = capsys.readouterr()
    named = [line.split()[0] for line in told.out.splitlines() if line.startswith(str(tmp_path))]
    assert sorted(named) == sorted(map(str, tmp_path.iterdir())) and len(named) == 7
    assert f"{tmp_path / 'a-1.png'} (seed 7)" in told.out and f"{tmp_path / 'a-2.png'} (seed 8)" in told.out
    assert told.out.splitlines()[7:] == str(Layout.load(tmp_path / "l.json")).splitlines()
    assert "Loading" not in told.err


def test_loading_leaves_the_bars_as_they_were(capsys):
    main(["layout", PROMPT])
    assert diffusers.utils.logging.is_progress_bar_enabled()
    assert transformers.utils.logging.is_progress_bar_enabled()
    assert not huggingface_hub.utils.are_progress_bars_disabled()


def test_what_a_terminal_cannot_show_is_escaped(tmp_path, capsys, monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", narrow)
    assert main(["layout", "a caf\u00e9 above a cat"]) == 0
    assert rb"a caf\xe9" in narrow.buffer.getvalue()


# The model


def test_a_single_file_is_a_model(tmp_path, capsys, stock, monkeypatch):
    """Its configs are those of a repository, here a folder, that diffusers knows for such files."""
    stock.save_pretrained(tmp_path / "folder")
    save_file(original_checkpoint(stock), tmp_path / "model.safetensors")
    monkeypatch.setitem(
        single_file_utils.DIFFUSERS_DEFAULT_PIPELINE_PATHS,
        "v1",
        {"pretrained_model_name_or_path": str(tmp_path / "folder")},
    )
    for command, *options in (["generate", *FAST, "-o", str(tmp_path / "a.png")], ["layout"]):
        said = []
        for model in ("folder", "model.safetensors"):
            assert main([command, PROMPT, *options, "--model", str(tmp_path / model)]) == 0
            said.append(capsys.readouterr().out)
            if command == "generate":
                said[-1] += str(Image.open(tmp_path / "a.png").tobytes())
        assert said[0] == said[1]


@pytest.mark.parametrize("command", ["generate", "layout"])
@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("nothing", "There is no folder or file 'nothing'."),
        ("./nothing", "There is no folder or file './nothing'."),
        ("/no/thing/here", "There is no folder or file '/no/thing/here'."),
        ("nothing.safetensors", "There is no folder or file 'nothing.safetensors'."),
        ("empty", "model_index.json"),
        ("hunyuan", "A checkpoint of HunyuanDiTPipeline is not supported, but those of Stable"),
        ("video", "A checkpoint of StableVideoDiffusionPipeline is not supported, but those of"),
        ("flux.safetensors", "A checkpoint of another family in one file is not supported, but"),
        ("cut.safetensors", "cut.safetensors"),
    ],
)
def test_what_is_no_model_is_told(tmp_path, monkeypatch, capsys, command, model, complaint):
    monkeypatch.chdir(tmp_path)
    video = "StableVideoDiffusionPipeline", {"unet": "UNetSpatioTemporal"}
    indices = {"hunyuan": ("HunyuanDiTPipeline", {}), "video": video}
    for folder, (name, parts) in indices.items():
        Path(folder).mkdir()
        parts = {"vae": ["diffusers", "AutoencoderKL"]} | {part: ["diffusers", kind] for part, kind in parts.items()}
        Path(folder, "model_index.json").write_text(json.dumps({"_class_name": name} | parts))
    Path("empty").mkdir()
    save_file({"double_blocks.0.img_attn.norm.key_norm.scale": torch.zeros(1)}, "flux.safetensors")
    Path("cut.safetensors").write_bytes(Path("flux.safetensors").read_bytes()[:-3])
    assert main([command, PROMPT, "--model", model, "-o", "a.png"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("spacetime-attn: error: ") and complaint in line


def test_a_file_that_lacks_a_part_of_the_model_is_told(tmp_path, capsys, stock, monkeypatch):
    stock.save_pretrained(tmp_path / "folder")
    state = original_checkpoint(stock)
    file = tmp_path / "model.safetensors"
    save_file({name: weight for name, weight in state.items() if not name.startswith("first_stage_model")}, file)
    monkeypatch.setattr("spacetime_attn.cli.checkpoints._repository_like", lambda file: str(tmp_path / "folder"))
    assert main(["generate", PROMPT, "--model", str(file), "-o", str(tmp_path / "a.png")]) == 2
    assert "is no whole checkpoint: " in capsys.readouterr().err.splitlines()[-1]


def test_a_model_that_the_hub_does_not_give_is_told(tmp_path, capsys, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    assert main(["layout", PROMPT, "--model", "owner/model"]) == 2
    told = capsys.readouterr().err
    assert (
        told
        == "spacetime-attn: error: There is no folder 'owner/model', and the Hub does not give it: no connection\n"
    )


# Weights


@pytest.fixture
def model_with_clip(tmp_path, clip):
    """The checkpoint that ships with a tiny random CLIP beside it."""
    folder = tmp_path / "model"
    shutil.copytree(default_model(), folder)
    clip.model.save_pretrained(folder / "judge")
    clip.tokenizer.save_pretrained(folder / "judge")
    (folder / "judge" / "preprocessor_config.json").write_text('{"image_processor_type": "CLIPImageProcessor"}')
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"clip_model": "./judge"}))
    return folder


def test_saved_weights_make_the_same_picture_again(tmp_path, model_with_clip, capsys):
    saved = tmp_path / "weights" / "w.safetensors"
    options = ["--model", str(model_with_clip), "--optimize", "2", "--num-images", "2", "--save-weights", str(saved)]
    assert main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), *options, *FAST]) == 0
    assert sorted(path.name for path in saved.parent.iterdir()) == ["w-1.safetensors", "w-2.safetensors"]
    told = capsys.readouterr().out.splitlines()
    for name, seed in (("a-1.png", 0), ("a-2.png", 1)):
        [line] = [line for line in told if name in line]
        found = re.fullmatch(rf".*{name} \(seed {seed}; distances (\S+), (\S+): number ([12]) is kept\)", line)
        assert float(found[int(found[3])]) == min(float(found[1]), float(found[2]))
    first, second = (load_weights(saved.with_stem(f"w-{number}")) for number in (1, 2))
    assert first.phrases == ["a red apple", "a blue car"] and not torch.equal(first.latents, second.latents)
    weights = ["--weights", str(saved.with_stem("w-1"))]
    assert main(["generate", PROMPT, "-o", str(tmp_path / "b.png"), *weights, *FAST]) == 0
    again, before = Image.open(tmp_path / "b.png"), Image.open(tmp_path / "a-1.png")
    assert max(abs(x - y) for x, y in zip(again.tobytes(), before.tobytes(), strict=True)) <= 1


def test_many_prompts_fill_a_folder(tmp_path, prompts):
    pictures, layouts = tmp_path / "pictures", tmp_path / "layouts"
    many = ["--prompts", str(prompts), "--save-layout", str(layouts)]
    assert main(["generate", *many, "-o", str(pictures), *FAST]) == 0
    assert sorted(path.name for path in pictures.iterdir()) == ["2.png", "one.png"]
    assert sorted(path.name for path in layouts.iterdir()) == ["2.json", "one.json"]
    again = ["--prompts", str(prompts), "--layout", str(layouts)]
    assert main(["generate", *again, "-o", str(tmp_path / "again"), *FAST]) == 0
    assert (tmp_path / "again" / "one.png").read_bytes() == (pictures / "one.png").read_bytes()


def test_the_objects_may_be_named(tmp_path, capsys):
    assert main(["layout", PROMPT, "--objects", "blue car"]) == 0
    assert capsys.readouterr().out.startswith("a blue car: box (")
    target = tmp_path / "a.json"
    options = ["-o", str(tmp_path / "a.png"), "--save-layout", str(target), "--objects", "car", "red apple"]
    assert main(["generate", PROMPT, *options, *FAST]) == 0
    assert Layout.load(target).phrases == ["a red apple", "a blue car"]


def test_export_writes_the_folder(tmp_path, capsys):
    assert main(["export", str(tmp_path / "hub"), "--assets-repo", "user/name"]) == 0
    assert (tmp_path / "hub" / "pipeline.py").is_file()
    assert str(tmp_path / "hub") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["generate", PROMPT, "-o", "a.png", "--layout", "no.json"], "no.json"),
        (["generate", PROMPT, "-o", "a.png", "--layout", "broken.json"], "not valid JSON"),
        (["generate", PROMPT, "-o", "a.png", "--weights", "no.safetensors"], "no.safetensors"),
        (["generate", PROMPT, "-o", "a.png", "--blend", "convex", "--weights", "2"], "0..1"),
        (["generate", PROMPT, "-o", "a.png", "--blend", "guided", "--guidance-scale", "1"], "guidance"),
        (["generate", PROMPT, "-o", "a.psd"], "a.psd"),
        (["generate", PROMPT, "-o", "a.png", "--save-layout", "."], "--save-layout: '.' cannot be written"),
        (["generate", PROMPT, "-o", "a.png", "--save-weights", "."], "--save-weights: '.' cannot be written"),
        (["generate", PROMPT, "-o", "a.png", "--height", "60", "--width", "64"], "60"),
        (["generate", PROMPT, "-o", "a.png", "--device", "abacus"], "abacus"),
        (["generate", PROMPT, "-o", "a.png", "--model", "./nothing"], "nothing"),
        (["generate", PROMPT, "-o", "a.xyz"], "a.xyz"),
        (["generate", PROMPT, "-o", "."], "file name"),
        (["generate", "--prompts", "no.jsonl", "-o", "pictures"], "no.jsonl"),
        (["layout", "--prompts", "broken.json"], "line 1"),
        (["layout", "--prompts", "numbers.jsonl"], "prompt"),
        (["layout", "--prompts", "empty.jsonl"], "no prompts in 'empty.jsonl'"),
        (["layout", "--prompts", "latin.jsonl"], "'latin.jsonl' is not UTF-8"),
        (["layout", "--prompts", "null.jsonl"], "`id`"),
        (["layout", "--prompts", "slashes.jsonl"], "'../a'"),
        (["layout", "--prompts", "twice.jsonl"], "twice"),
        (["layout", PROMPT, "-o", "a"], "'a'"),
        (["layout", PROMPT, "--width", "7"], "have to be divisible by 8 but are 64 and 7"),
        (["layout", PROMPT, "--objects", "a cat"], "`objects` has 'a cat', which does not stand in the prompt"),
        (
            ["layout", "--prompts", "latin.jsonl", "--objects", "a cat"],
            "--objects names the objects of a single",
        ),
        (["generate", PROMPT, "-o", "a.png", "--layout", "no.json", "--objects", "a cat"], "--objects"),
        (["export", "."], "broken.json"),
        (["export", "new", "--assets-repo", "x"], "user/name"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(tmp_path, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text('{"objects": [', encoding="utf-8")
    (tmp_path / "numbers.jsonl").write_text('{"id": "a", "prompt": 3}', encoding="utf-8")
    (tmp_path / "slashes.jsonl").write_text('{"id": "../a", "prompt": "a cat"}', encoding="utf-8")
    (tmp_path / "twice.jsonl").write_text('{"id": "a", "prompt": "a cat"}\n' * 2, encoding="utf-8")
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    (tmp_path / "latin.jsonl").write_text('{"id": "a", "prompt": "un café"}', encoding="latin-1")
    (tmp_path / "null.jsonl").write_text('{"id": null, "prompt": "a cat"}', encoding="utf-8-sig")
    before = sorted(tmp_path.iterdir())
    assert main(arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("spacetime-attn: error: ") and complaint in last
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["generate", "--weights", "nope"], "There is no file of weights 'nope'."),
        (["generate", "--layout", "nope"], "There is no layout file 'nope'."),
        (["generate", "--device", "abacus"], "--device 'abacus' cannot be used here"),
        (["generate", "--layout", "l.json", "--box-scale", "2"], "--box-scale is for layouts that are predicted"),
        (["generate", "--layout-predictor", "llm"], "A language model that answers in a given form needs xgrammar"),
        (["layout", "--layout-predictor", "llm"], "A language model that answers in a given form needs xgrammar"),
        (["layout", "--llm", "user/model"], "A language model that answers in a given form needs xgrammar"),
        (["generate", "--layout", "l.json", "--llm", "user/model"], "--llm is for layouts that are predicted"),
        (["layout", "--llm", "user/model", "--layout-predictor", "rules"], "--llm is asked where the reader is not"),
        (["layout", "--layout-predictor", "auto"], "--layout-predictor auto needs --llm"),
    ],
)
def test_what_needs_no_model_is_checked_before_one_is_loaded(tmp_path, monkeypatch, capsys, arguments, complaint):
    def load(*arguments, **options):
        raise AssertionError("a model is loaded")

    monkeypatch.setattr("spacetime_attn.layout.llm.find_spec", lambda name: None)
    monkeypatch.setattr("spacetime_attn.cli.loading.configs_of", load)
    assert main([*arguments, PROMPT, "-o", str(tmp_path / "a.png")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"spacetime-attn: error: {complaint}")


@pytest.mark.parametrize("command", ["generate", "layout"])
def test_what_a_checkpoints_predictor_lacks_is_one_line(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr("spacetime_attn.layout.llm.find_spec", lambda name: None)
    index = tmp_path / "model" / "model_index.json"
    shutil.copytree(default_model(), index.parent)
    index.write_text(json.dumps(json.loads(index.read_text()) | {"layout_predictor": "llm"}))
    assert main([command, PROMPT, "--model", str(index.parent), "-o", str(tmp_path / "a.png")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("spacetime-attn: error: A language model that answers in a given form needs xgrammar")


def test_boxes_are_not_scaled_where_regions_are_discs(capsys):
    assert main(["layout", PROMPT, "--preset", "official", "--box-scale", "2"]) == 2
    assert "regions are discs: add --preset early" in capsys.readouterr().err


def test_a_missing_reader_ends_with_one_line_and_code_2(monkeypatch, capsys):
    monkeypatch.setattr(language, "find_asset", lambda name, file: None)
    language._shipped_language.cache_clear()
    assert main(["layout", PROMPT]) == 2
    assert capsys.readouterr().err.startswith("spacetime-attn: error: The reader")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["generate"],
        ["generate", PROMPT],
        ["generate", PROMPT, "-o", "a.png", "--steps", "0"],
        ["generate", PROMPT, "-o", "a.png", "--num-images", "-1"],
        ["generate", PROMPT, "-o", "a.png", "--blend", "stirred"],
        ["generate", PROMPT, "-o", "a.png", "--weights", "nan"],
        ["generate", PROMPT, "-o", "a.png", "--guidance-scale", "inf"],
        ["layout", PROMPT, "--prompts", "f.jsonl"],
        ["layout", PROMPT, "--preset", "late"],
        ["layout", PROMPT, "--box-scale", "large"],
    ],
)
def test_arguments_that_do_not_parse_end_with_the_usage_and_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: spacetime-attn")


def test_a_mistake_of_the_program_itself_is_not_hidden(monkeypatch):
    monkeypatch.setattr("spacetime_attn.cli.commands.read_jobs", lambda args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["layout", PROMPT])
