"""Every way to load the pipeline makes the same picture."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import diffusers
import pytest
import torch

from spacetime_attn import SpaceTimeAttnPipeline, default_model
from spacetime_attn.examples.export import PIPELINE, export, module_order


ROOT = Path(default_model()).parents[2]
CALL = {
    "prompt": "a red apple to the left of a blue car",
    "layout": {
        "objects": [
            {"phrase": "a red apple", "box": [0.05, 0.3, 0.45, 0.7]},
            {"phrase": "a blue car", "box": [0.55, 0.3, 0.95, 0.7]},
        ]
    },
    "num_inference_steps": 2,
}


@pytest.fixture(scope="module")
def pipe() -> SpaceTimeAttnPipeline:
    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model())
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def picture(pipe) -> str:
    """The digest of the picture that every route has to make."""
    return _digest(pipe)


@pytest.fixture(scope="module")
def routes(tmp_path_factory, pipe) -> dict:
    """What happened on the routes through diffusers, in a process that cannot import the project."""
    work = tmp_path_factory.mktemp("routes")
    export(work / "exported", assets_repo="user/spacetime_attn")
    export(work / "cwd" / "spacetime_attn")
    (work / "empty").mkdir()
    (work / "empty" / "README.md").write_text("no pipeline here", encoding="utf-8")
    release = work / "mirror" / f"v{diffusers.__version__}"
    release.mkdir(parents=True)
    shutil.copy(work / "cwd" / "spacetime_attn" / "pipeline.py", release / "spacetime_attn.py")
    pipe.save_pretrained(work / "saved")
    given = {name: str(work / name) for name in ("exported", "empty", "mirror", "saved")}
    given |= {"checkpoint": default_model(), "file": str(ROOT / f"{PIPELINE}.py")}
    given |= {"call": CALL, "threads": torch.get_num_threads()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SPACETIME_"))}
    process = subprocess.run(
        [sys.executable, "-I", str(Path(__file__).with_name("loading_routes.py"))],
        cwd=work / "cwd",
        env=environment | {"HF_HOME": str(work / "hf_home")},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_the_routes_are_tried_where_the_project_cannot_be_imported(routes):
    assert not routes["importable"]


def test_a_path_to_the_pipeline_file(routes, picture):
    assert routes["file"] == ["diffusers_modules.local.pipeline_spacetime_attn", picture]


def test_a_name_for_which_there_is_a_folder(routes, picture):
    assert routes["folder"] == ["diffusers_modules.local.pipeline", picture]


def test_a_name_in_the_community_mirror(routes, picture):
    assert routes["mirror"] == ["diffusers_modules.git.spacetime_attn", picture]


def test_a_repository_on_the_hub(routes, picture):
    module, digest = routes["hub"]
    assert re.fullmatch(r"diffusers_modules\.local\.user--spacetime_attn\.[0-9a-f]{40}\.pipeline", module)
    assert digest == picture


def test_the_second_load_from_the_hub_is_cached(routes):
    assert routes["hub again"] == routes["hub"]
    assert routes["hub downloads"] == routes["hub again downloads"] == ["pipeline.py"]


def test_a_repository_without_the_pipeline_says_what_is_missing(routes):
    assert "pipeline.py" in routes["hub without it"] and "EntryNotFound" in routes["hub without it"]


def test_a_repository_that_does_not_exist_is_named(routes):
    assert "user/nobody" in routes["hub unknown"] and "RepositoryNotFound" in routes["hub unknown"]


def test_a_dead_hub_is_a_clear_error(routes):
    assert routes["dead hub"].startswith("LocalEntryNotFoundError") and "connection" in routes["dead hub"]


def test_a_saved_pipeline_makes_the_same_picture(routes, picture):
    assert routes["saved"] == routes["file"]


def test_the_models_come_from_the_hub_once(routes):
    paths = [path for name in ("english", "transformer") for path in (ROOT / "layout" / name).rglob("*")]
    paths = [path for path in paths if path.is_file()]
    model = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    fetched = routes["hub layout downloads"][len(routes["hub again downloads"]) :]
    assert {model[name] for name in fetched} == set(model.values()) and len(fetched) == len(set(fetched))
    assert routes["hub layout again downloads"] == routes["hub layout downloads"]


def test_the_models_from_the_hub_work_also_offline(routes):
    phrases, warnings, pipe_names = routes["hub layout"]
    assert phrases == ["a cat", "a green bus"] and warnings == [] and pipe_names == ["spacetime_reader"]
    assert routes["hub layout again"] == routes["offline layout"] == routes["hub layout"]


def test_an_export_that_names_no_repository_draws_layouts_and_misses_the_reader_by_name(routes, picture):
    assert routes["folder"] == ["diffusers_modules.local.pipeline", picture]
    error = routes["folder layout"]
    assert error.startswith("OSError: The reader") and "Hub repository 'user" not in error
    assert all(way in error for way in ("pip install", "SPACETIME_ATTN_ASSETS_REPO", "`nlp`", "With `layout`"))


def test_an_installed_pipeline_saved_and_loaded_again_makes_the_same_picture(pipe, picture, tmp_path):
    pipe.save_pretrained(tmp_path)
    again = SpaceTimeAttnPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    assert _digest(again) == picture
    before, after = ({k: v for k, v in item.config.items() if k[0] != "_"} for item in (pipe, again))
    assert after == before


def test_importing_loading_and_drawing_say_nothing_that_diffusers_does_not_say():
    """But for bars."""
    script = """
import sys
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from transformers import CLIPModel
print("ours", file=sys.stderr)
from spacetime_attn import SpaceTimeAttnPipeline, default_model
pipe = SpaceTimeAttnPipeline.from_pretrained(default_model())
pipe("a red apple to the left of a blue car", num_inference_steps=2, optimize_weights=2)
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout == "", done.stderr
    lines = done.stderr.rpartition("ours\n")[2].replace("\r", "\n").splitlines()
    assert [line for line in lines if line.strip("\x1b[A ") and "%|" not in line] == []


def test_the_pipeline_file_names_every_module_that_it_needs():
    """diffusers copies what this file names, and looks no further."""
    text = (ROOT / f"{PIPELINE}.py").read_text(encoding="utf-8")
    named = set(re.findall(r"^\s*from\s+\.(\S+)\s+import", text, flags=re.MULTILINE))
    assert named == set(module_order(PIPELINE)) - {PIPELINE}


def test_the_modules_are_one_folder_deep_and_reach_only_their_siblings_and_what_writes_files():
    for name in module_order(PIPELINE)[:-1]:
        text = (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert name.count(".") == 1
        assert not re.search(r"^\s*from\s+\.(\.(?!layout\.files )|\w+\.)", text, flags=re.MULTILINE), name


def _digest(pipe) -> str:
    return hashlib.sha1(pipe(**CALL, generator=torch.manual_seed(0)).images[0].tobytes()).hexdigest()
