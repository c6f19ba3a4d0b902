"""The pipeline that reads prompts: where it is found, and what becomes of one that the user passes."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc

from spacetime_attn import RuleLayoutPredictor
from spacetime_attn.examples.export import bundle
from spacetime_attn.layout import assets, language, reader
from spacetime_attn.layout.language import load_language
from spacetime_attn.layout.reader import READER_NAME


ENGLISH = Path(assets.__file__).parent / "english"
PROMPT = "a red apple to the left of a blue car"


@pytest.fixture
def forgetful():
    """Nothing that was loaded before is remembered, and what is loaded now is forgotten."""
    found = (language._shipped_language, language._named_language)
    for cached in found:
        cached.cache_clear()
    yield
    for cached in found:
        cached.cache_clear()


@pytest.fixture
def nothing_shipped(forgetful, monkeypatch):
    monkeypatch.setattr(assets, "_shipped", lambda name, file: None)


def things_of(nlp) -> list[str]:
    return [entity.phrase for entity in nlp(PROMPT)._.reading.entities]


# Where it is found


def test_the_shipped_pipeline_has_a_reader_and_nothing_else_and_is_loaded_once():
    nlp = load_language()
    assert nlp.lang == "en" and nlp.pipe_names == [READER_NAME]
    assert load_language() is nlp


def test_loading_it_takes_no_random_numbers(forgetful):
    torch.manual_seed(0)
    load_language()
    assert torch.equal(torch.randn(3), torch.randn(3, generator=torch.Generator().manual_seed(0)))


def test_a_copy_of_the_module_elsewhere_finds_the_reader_of_the_installed_package(forgetful, monkeypatch):
    monkeypatch.setitem(vars(assets), "__file__", "/somewhere/else/assets.py")
    assert things_of(load_language()) == ["a red apple", "a blue car"]


def test_code_without_a_file_finds_the_reader_of_the_installed_package(forgetful, monkeypatch):
    monkeypatch.delitem(vars(assets), "__file__")
    assert things_of(load_language()) == ["a red apple", "a blue car"]


def test_a_folder_of_the_same_name_in_the_working_directory_does_not_hide_the_package(
    forgetful, tmp_path, monkeypatch
):
    (tmp_path / "spacetime_attn").mkdir()
    monkeypatch.delitem(vars(assets), "__file__")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert things_of(load_language()) == ["a red apple", "a blue car"]


def test_spacy_finds_the_reader_of_a_pipeline_by_itself():
    """In a process that has imported nothing of the project."""
    script = f"import spacy; print([e.phrase for e in spacy.load({str(ENGLISH)!r})({PROMPT!r})._.reading.entities])"
    run = subprocess.run([sys.executable, "-c", script], cwd=ENGLISH, capture_output=True, text=True)
    assert run.stdout.strip() == "['a red apple', 'a blue car']", run.stderr


def test_a_copy_of_the_project_reads_where_folders_hide_the_installed_one_from_spacy(tmp_path):
    """As those of an export do in the working directory, if the project was installed with `pip install -e`."""
    (tmp_path / "spacetime_attn" / "layout").mkdir(parents=True)
    (tmp_path / "a_copy.py").write_text(bundle(), encoding="utf-8")
    script = f"import a_copy; print(a_copy.RuleLayoutPredictor()({PROMPT!r}).phrases)"
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.strip() == "['a red apple', 'a blue car']", run.stderr


def test_it_reads_the_same_when_it_was_saved_and_loaded(tmp_path):
    nlp = load_language()
    nlp.to_disk(tmp_path)
    loaded, rebuilt = spacy.load(tmp_path), spacy.blank("en")
    rebuilt.add_pipe(READER_NAME)
    rebuilt.from_bytes(nlp.to_bytes())
    assert loaded(PROMPT)._.reading == rebuilt(PROMPT)._.reading == nlp(PROMPT)._.reading


def test_a_document_has_its_reading_and_spans_by_kind():
    doc = load_language()(PROMPT)
    assert [entity.phrase for entity in doc._.reading.entities] == ["a red apple", "a blue car"]
    assert [span.text for span in doc.spans["object"]] == ["a red apple", "a blue car"]


def test_a_second_copy_of_the_module_leaves_the_component_of_the_first():
    factory, extension = Language.get_factory_meta(READER_NAME), Doc.get_extension("reading")
    copy = runpy.run_path(reader.__file__, run_name=f"{reader.__package__}.a_copy")
    assert copy["Reader"] is not reader.Reader
    assert Language.get_factory_meta(READER_NAME) == factory and Doc.get_extension("reading") == extension


# Where it is missing


def test_without_the_reader_an_error_names_the_ways_to_get_it(nothing_shipped):
    with pytest.raises(OSError, match="pip install .*SPACETIME_ATTN_ASSETS_REPO.*`nlp`.*With `layout`"):
        RuleLayoutPredictor()(PROMPT)


def test_without_the_reader_a_layout_still_makes_a_picture(nothing_shipped, pipe):
    layout = {"objects": [{"phrase": "a red apple", "box": [0, 0, 0.5, 1]}]}
    assert pipe(PROMPT, layout=layout, num_inference_steps=1).layouts[0].phrases == ["a red apple"]
    with pytest.raises(OSError, match="The reader"):
        pipe(PROMPT, num_inference_steps=1)


def test_without_the_reader_a_pipeline_that_has_one_serves(nothing_shipped):
    assert RuleLayoutPredictor(ENGLISH)(PROMPT).phrases == ["a red apple", "a blue car"]


def test_no_hub_repository_is_asked_unless_one_is_configured(nothing_shipped, monkeypatch):
    monkeypatch.setattr(assets, "ASSETS_REPO", None)
    monkeypatch.setattr(assets, "snapshot_download", lambda *args, **kwargs: pytest.fail("asked the Hub"))
    with pytest.raises(OSError, match="The reader"):
        load_language()


def test_a_hub_repository_without_the_reader_is_named_in_a_warning(nothing_shipped, monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "ASSETS_REPO", "someone/assets")
    monkeypatch.setattr(assets, "snapshot_download", lambda *args, **kwargs: str(tmp_path))
    with pytest.warns(UserWarning, match="'someone/assets'.*no folder layout/english"), pytest.raises(OSError):
        load_language()


def test_a_dead_hub_is_named_in_a_warning(tmp_path):
    script = """
from spacetime_attn.layout import assets, language, reader
assets._shipped = lambda name, file: None
try:
    language.load_language()
except OSError as error:
    print(error)
"""
    settings = {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
        "SPACETIME_ATTN_ASSETS_REPO": "someone/assets",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run([sys.executable, "-c", script], env=os.environ | settings, capture_output=True, text=True)
    assert run.stdout.startswith("The reader"), run.stderr
    assert "Hub repository 'someone/assets'" in run.stderr


# What the user passes


def test_a_pipeline_that_has_a_reader_is_used_as_it_is():
    nlp = spacy.load(ENGLISH)
    assert load_language(nlp) is nlp


def test_any_other_english_pipeline_gets_the_reader_in_a_copy():
    given = spacy.blank("en")
    given.add_pipe("sentencizer")
    nlp = load_language(given)
    assert given.pipe_names == ["sentencizer"] and nlp.pipe_names == ["sentencizer", READER_NAME]
    doc = nlp(f"{PROMPT}. It is night.")
    assert len(list(doc.sents)) == 2 and [e.phrase for e in doc._.reading.of_kind("object")][:1] == ["a red apple"]
    assert given(PROMPT)._.reading is None
    assert load_language(given) is nlp


def test_a_folder_passed_by_the_caller_is_loaded_once(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "mine")
    nlp = load_language(tmp_path / "mine")
    assert nlp.pipe_names == [READER_NAME] and things_of(nlp) == ["a red apple", "a blue car"]
    assert load_language(str(tmp_path / "mine")) is nlp


def test_an_unknown_name_is_an_error_with_the_command_that_helps():
    with pytest.raises(ValueError, match="'en_core_web_xyz'.*python -m spacy download en_core_web_xyz"):
        load_language("en_core_web_xyz")


def test_anything_else_is_an_error_that_names_the_type():
    with pytest.raises(TypeError, match="`nlp` has to be .* got int: 3"):
        load_language(3)
