"""The files of a command: checked before any work, written as far as they can be, and gone on with."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from diffusers import StableDiffusionPipeline

from spacetime_attn import SpaceTimeAttnPipeline, default_model, load_weights
from spacetime_attn.cli import main
from spacetime_attn.cli.interrupts import Interrupts
from spacetime_attn.cli.writing import Output, write_outputs
from spacetime_attn.processors.clip_objective import ClipObjective


PROMPT = "a red apple to the left of a blue car"
FAST = ["--steps", "2"]


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def idle(monkeypatch):
    """No model may be loaded."""

    def load(*arguments):
        raise AssertionError("a model is loaded")

    for module in ("generating", "commands"):
        monkeypatch.setattr(f"spacetime_attn.cli.{module}.load_pipeline", load)


def write_prompts(*ids) -> list[str]:
    """Arguments for a file of prompts with these ids."""
    lines = [json.dumps({"id": id, "prompt": PROMPT}) for id in ids]
    Path("prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return ["--prompts", "prompts.jsonl"]


def files() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file() and path.suffix != ".jsonl")


# Checked before any work


def complaint(capsys, *arguments: str) -> str:
    before = sorted(Path().rglob("*"))
    assert main(list(arguments)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert sorted(Path().rglob("*")) == before
    return line.removeprefix("spacetime-attn: error: ")


@pytest.mark.parametrize("command", ["generate", "layout"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file/a.png", "Not a directory"),
        ("file/new/a.png", "Not a directory"),
        ("folder.png", "it is a folder"),
        ("a" * 300 + ".png", "File name too long"),
        ("new/" + "a" * 300 + "/a.png", "File name too long"),
        ("new/" * 2000 + "a.png", "File name too long"),
        ("link.png", "Not a directory"),
        ("\ud800.png", "no name for a file here"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(work, idle, capsys, command, target, reason):
    Path("file").touch()
    Path("folder.png").mkdir()
    Path("link.png").symlink_to("file/a.png")
    assert complaint(capsys, command, PROMPT, "-o", target) == f"--output: {target!r} cannot be written ({reason})."
    layout = target.replace(".png", ".json")
    Path("folder.json").mkdir()
    Path("link.json").symlink_to("file/a.json")
    expected = f"--save-layout: {layout!r} cannot be written ({reason})."
    assert complaint(capsys, command, PROMPT, "-o", "a.png", "--save-layout", layout) == expected


@pytest.mark.parametrize("target", ["a.png", "new/a.png"])
def test_a_folder_that_is_not_writable_is_refused(work, idle, capsys, monkeypatch, target):
    def refuse(dir):
        assert Path(dir) == work
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    expected = f"--output: {target!r} cannot be written (Permission denied)."
    assert complaint(capsys, "generate", PROMPT, "-o", target) == expected


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_a_folder_that_takes_no_files_is_refused(work, idle, capsys):
    assert "cannot be written" in complaint(capsys, "generate", PROMPT, "-o", "/proc/a.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_protected_file_is_refused(work, idle, capsys):
    Path("a.png").touch(0o400)
    assert "Permission denied" in complaint(capsys, "generate", PROMPT, "-o", "a.png")


def test_folders_that_are_missing_are_made_when_there_is_something_to_write(work):
    assert main(["layout", PROMPT, "-o", "new/deep/a.png"]) == 0
    assert files() == ["new/deep/a.png"]
    Path("link.json").symlink_to("other/b.json")
    assert main(["layout", PROMPT, "--save-layout", "link.json"]) == 0
    assert Path("link.json").is_symlink() and files() == ["link.json", "new/deep/a.png", "other/b.json"]


@pytest.mark.parametrize("name", ["a", "a.psd", "a.xbm", "a.h5", ".png", "a.png.", "a.txt"])
def test_pictures_need_a_format_that_can_be_written(work, idle, capsys, name):
    assert f"{name!r} is no name for a picture" in complaint(capsys, "generate", PROMPT, "-o", name)


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a"), ("a", "A"), (1, "1"), ("straße", "STRASSE"), ("caf\u00e9", "cafe\u0301")]
)
@pytest.mark.parametrize("command", ["generate", "layout"])
def test_ids_that_name_one_file_are_refused(work, idle, capsys, command, first, second):
    told = complaint(capsys, command, *write_prompts(first, second), "-o", "new")
    assert told == f"The ids {str(first)!r} and {str(second)!r} in 'prompts.jsonl' would name the same files."


@pytest.mark.parametrize(
    ("options", "one", "other"),
    [
        (["-o", "a.png", "--save-layout", "a.png"], "--save-layout: 'a.png'", "'a.png'"),
        (["-o", "a.png", "--save-layout", "A.PNG"], "--save-layout: 'A.PNG'", "'a.png'"),
        (["-o", "a.png", "--save-layout", "./x/../a.png"], "--save-layout: 'x/../a.png'", "'a.png'"),
        (["-o", "a.png", "--save-layout", "link.png"], "--save-layout: 'link.png'", "'a.png'"),
        (["-o", "a.png", "--show-layout", "--save-layout", "a.layout.png"], "--save-layout", "'a.layout.png'"),
        (["-o", "a.png", "--save-layout", "x", "--save-weights", "x"], "--save-weights: 'x'", "'x'"),
        (
            ["-o", "a.png", "--num-images", "2", "--save-layout", "w-2.json", "--save-weights", "w.json"],
            "--save-weights: 'w-2.json'",
            "'w-2.json'",
        ),
    ],
)
def test_two_options_that_write_one_file_are_refused(work, idle, capsys, options, one, other):
    Path("link.png").symlink_to("a.png")
    told = complaint(capsys, "generate", PROMPT, *options)
    assert told.startswith(one) and told.endswith(f"would be the same file as {other}.")


def test_two_jobs_that_write_one_file_are_refused(work, idle, capsys):
    told = complaint(capsys, "generate", *write_prompts("a", "a.layout"), "-o", "new", "--show-layout")
    assert told == "--output: 'new/a.layout.png' would be the same file as 'new/a.layout.png'."


@pytest.mark.parametrize(
    "id",
    ["", ".", "..", ".a", " a", "a ", "a\n", "a/b", "a\\b", "a:b", "a*", "\x1b[31m", "a\u2028b", "\ud800", None, True]
    + ["a.", "con", "NUL.txt", "Lpt1", "com¹.a.b", "aux .x"]
    + [1.5, ["a"], {"a": 1}],
)
def test_ids_that_are_no_plain_file_names_are_refused(work, idle, capsys, id):
    told = complaint(capsys, "layout", *write_prompts(id))
    assert told == f"`id` names the files, so {id!r} in line 1 of 'prompts.jsonl' will not do: use letters and digits."


@pytest.mark.parametrize("id", ["a", 7, "x-1_2", "grün", "猫", "a b", "a.b", "console", "com10", "a.con"])
def test_plain_ids_are_taken(work, id):
    assert main(["layout", *write_prompts(id), "-o", "new"]) == 0
    assert files() == [f"new/{id}.png"]


def test_what_is_no_plain_file_is_written_to(work, capfd):
    assert main(["layout", PROMPT, "--json", "--save-layout", "/dev/null"]) == 0
    assert "/dev/null" in capfd.readouterr().err


# Written as far as they can be


def test_files_that_cannot_be_written_cost_no_others(work, capsys, monkeypatch):
    def save(image, making, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("spacetime_attn.cli.outputs.write_picture", save)
    options = ["-o", "a.png", "--save-weights", "w.json", "--save-layout", "l.json", "--show-layout"]
    assert main(["generate", PROMPT, *options, *FAST]) == 2
    told = capsys.readouterr()
    assert files() == ["l.json", "w.json"] == sorted(told.out.split())
    assert told.err.splitlines()[-1] == "spacetime-attn: error: [Errno 28] No space left on device: 'a.png'"
    assert load_weights("w.json").phrases == ["a red apple", "a blue car"]


def test_a_full_disk_leaves_the_old_picture(work, monkeypatch):
    Path("a.png").write_bytes(b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["generate", PROMPT, "-o", "a.png", *FAST]) == 2
    assert Path("a.png").read_bytes() == b"old" and files() == ["a.png"]


# Gone on with


def test_resuming_makes_what_is_missing(work, capsys):
    many = ["generate", *write_prompts("a", "b", "c"), "-o", "pictures", "--save-layout", "layouts", *FAST]
    assert main(many) == 0
    whole = {name: Path(name).read_bytes() for name in files()}
    Path("pictures/b.png").unlink()
    Path("layouts/c.json").unlink()
    Path("pictures/a.png").write_bytes(b"there")
    capsys.readouterr()
    assert main([*many, "--resume"]) == 0
    said = capsys.readouterr().out
    assert "1 of 3 are there already" in said and "pictures/a.png" not in said
    assert {name: Path(name).read_bytes() for name in files()} == whole | {"pictures/a.png": b"there"}


def test_resuming_what_is_done_loads_no_model(work, idle, capsys):
    many = write_prompts("a", "b")
    for name in ("a.png", "b.png"):
        Path(name).touch()
    assert main(["generate", *many, "-o", ".", "--resume"]) == 0
    assert capsys.readouterr().out == "2 of 2 are there already\n"


# Interrupted


@pytest.fixture(autouse=True)
def heard_ctrl_c():
    """Whoever starts the tests in the background has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_one_line(work, capsys, monkeypatch):
    monkeypatch.setattr(SpaceTimeAttnPipeline, "__call__", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    assert main(["generate", PROMPT, "-o", "a.png"]) == 130
    assert capsys.readouterr().err == "spacetime-attn: interrupted\n" and not files()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def judged(tmp_path, clip) -> list[str]:
    """Arguments for an optimisation with a tiny random CLIP."""
    folder = tmp_path / "model"
    shutil.copytree(default_model(), folder)
    shutil.rmtree(folder / "clip")
    clip.model.save_pretrained(folder / "clip")
    clip.tokenizer.save_pretrained(folder / "clip")
    (folder / "clip" / "preprocessor_config.json").write_text('{"image_processor_type": "CLIPImageProcessor"}')
    return ["--model", str(folder), "--optimize", "3", "--save-weights", "w", "--show-layout", *FAST]


def test_an_optimisation_that_is_interrupted_keeps_the_best_so_far(work, judged, capsys, caplog, monkeypatch):
    measure, measured = ClipObjective.__call__, []

    def interrupted(self, images):
        measured.append(measure(self, images))
        if len(measured) == 3:
            signal.raise_signal(signal.SIGINT)
        return measured[-1]

    monkeypatch.setattr(ClipObjective, "__call__", interrupted)
    assert main(["generate", *write_prompts("a", "b"), "-o", "new", *judged]) == 130
    told = capsys.readouterr()
    assert files() == ["new/a.layout.png", "new/a.png", "w/a.safetensors"]
    first, second, _ = (distance.item() for distance in measured)
    best = 1 if first <= second else 2
    assert f"new/a.png (seed 0; distances {first:.4f}, {second:.4f}: number {best} is kept)" in told.out
    assert told.err.endswith("\nspacetime-attn: interrupted\n")
    assert caplog.messages == ["Interrupted: the best of what was tried is kept, 2 of 3."]


def test_what_an_optimisation_has_found_is_still_drawn_and_written(work, judged, capsys, monkeypatch):
    draw = StableDiffusionPipeline.__call__

    def interrupted(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return draw(*arguments, **options)

    interrupted.__wrapped__ = draw.__wrapped__  # by which the optimisation draws
    monkeypatch.setattr(StableDiffusionPipeline, "__call__", interrupted)
    assert main(["generate", *write_prompts("a", "b"), "-o", "new", *judged]) == 130
    assert files() == ["new/a.layout.png", "new/a.png", "w/a.safetensors"]
    assert capsys.readouterr().err.endswith("\nspacetime-attn: interrupted\n")


def test_in_another_thread_the_command_does_the_same(work):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(["generate", PROMPT, "-o", "a.png", *FAST])))
    thread.start()
    thread.join()
    assert codes == [0] and files() == ["a.png"]


def test_ctrl_c_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_output_that_fails_in_any_way_costs_no_others(work):
    def fail(path):
        raise ValueError("it has more than 64 MB.")

    outputs, said = [Output(Path("a"), fail), Output(Path("b"), Path.touch)], []
    with pytest.raises(ValueError, match="64 MB"):
        write_outputs(outputs, said.append)
    assert files() == said == ["b"]


def test_ctrl_c_twice_does_not_wait():
    with Interrupts() as interrupts:
        interrupts.found = True
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("arguments", [["--help"], ["layout", PROMPT]])
def test_who_no_longer_reads_is_told_nothing(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    code = f"import sys; from spacetime_attn.cli import main; sys.exit(main({arguments!r}))"
    settings = os.environ | {"PYTHONUNBUFFERED": "", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=settings, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert run.returncode == 141 and "pipe" not in run.stderr.lower()
