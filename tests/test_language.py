"""The pipeline that reads prompts: where it is found, what the shipped model parses, what word lists can do."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import mock

import pytest
import spacy
from spacy.language import Language

from spacetime_attn.layout import assets, language
from spacetime_attn.layout.chunker import WordListChunker, chunk_bounds
from spacetime_attn.layout.language import load_language


@pytest.fixture(autouse=True)
def forget_found_pipelines():
    language._default_language.cache_clear()
    language._named_language.cache_clear()


@pytest.fixture
def nothing_shipped(monkeypatch):
    monkeypatch.setattr(assets, "_shipped", lambda name, file: None)


@pytest.fixture
def nothing_installed(nothing_shipped, monkeypatch):
    monkeypatch.setattr(spacy.util, "get_installed_models", lambda: [])


@pytest.fixture(scope="module")
def shipped():
    return load_language()


def phrases(text: str) -> list[str]:
    nlp = spacy.blank("en")
    nlp.add_pipe("word_list_chunker")
    doc = nlp(text)
    return [span.text for span in doc.spans["phrases"]]


# Where it is found


def test_a_pipeline_passed_by_the_caller_is_used_as_it_is():
    nlp = spacy.blank("en")
    assert load_language(nlp) is nlp


def test_a_folder_passed_by_the_caller_is_loaded_once(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "mine")
    nlp = load_language(tmp_path / "mine")
    assert nlp.lang == "en" and nlp.pipe_names == []
    assert load_language(str(tmp_path / "mine")) is nlp


def test_an_unknown_name_is_an_error_with_the_command_that_helps():
    with pytest.raises(ValueError, match="'en_core_web_xyz'.*python -m spacy download en_core_web_xyz"):
        load_language("en_core_web_xyz")


def test_anything_else_is_an_error_that_names_the_type():
    with pytest.raises(TypeError, match="nlp must be .* got int: 3"):
        load_language(3)


def test_the_shipped_model_comes_first():
    nlp = load_language()
    assert nlp.meta["name"] == "spacetime_attn_english"
    assert {"tagger", "parser"} <= set(nlp.pipe_names)
    assert load_language() is nlp


def test_a_copy_of_the_module_elsewhere_finds_the_model_of_the_installed_package(monkeypatch):
    monkeypatch.setitem(vars(assets), "__file__", "/somewhere/else/assets.py")
    assert load_language().meta["name"] == "spacetime_attn_english"


def test_code_without_a_file_finds_the_model_of_the_installed_package(monkeypatch):
    monkeypatch.delitem(vars(assets), "__file__")
    assert load_language().meta["name"] == "spacetime_attn_english"


def test_a_folder_of_the_same_name_in_the_working_directory_does_not_hide_the_package(tmp_path, monkeypatch):
    (tmp_path / "spacetime_attn").mkdir()
    monkeypatch.delitem(vars(assets), "__file__")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_language().meta["name"] == "spacetime_attn_english"


def test_an_installed_pipeline_is_next_and_the_small_one_is_preferred(nothing_shipped, monkeypatch):
    installed = ["de_core_news_sm", "en_other", "en_core_web_lg", "en_core_web_sm"]
    monkeypatch.setattr(spacy.util, "get_installed_models", lambda: installed)
    monkeypatch.setattr(spacy, "load", lambda source: f"the pipeline {source}")
    assert load_language() == "the pipeline en_core_web_sm"


def test_word_lists_are_the_last_resort_and_it_is_said_once(nothing_installed):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        first, second = load_language(), load_language()
    assert first is second and first.pipe_names == ["word_list_chunker"]
    assert [str(warning.message).split(",")[0] for warning in seen] == ["no spaCy model for English was found"]
    doc = first("a cat above a green bus")
    assert [span.text for span in doc.spans["phrases"]] == ["a cat", "a green bus"]


def test_no_hub_repository_is_asked_unless_one_is_configured(nothing_installed, monkeypatch):
    monkeypatch.setattr(assets, "ASSETS_REPO", None)
    monkeypatch.setattr(assets, "snapshot_download", lambda *args, **kwargs: pytest.fail("asked the Hub"))
    with pytest.warns(UserWarning, match="word lists"):
        load_language()


def test_a_hub_repository_without_the_model_is_named_in_a_warning(nothing_installed, monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "ASSETS_REPO", "someone/assets")
    monkeypatch.setattr(assets, "snapshot_download", lambda *args, **kwargs: str(tmp_path))
    with pytest.warns(UserWarning, match="word lists"):
        with pytest.warns(UserWarning, match="'someone/assets'.*no folder layout/english"):
            nlp = load_language()
    assert nlp.pipe_names == ["word_list_chunker"]


def test_a_dead_hub_is_named_in_a_warning_and_the_search_goes_on(tmp_path):
    script = """
import spacy
from spacetime_attn.layout import assets, language
assets._shipped = lambda name, file: None
spacy.util.get_installed_models = lambda: []
print(language.load_language().pipe_names)
"""
    settings = {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
        "SPACETIME_ATTN_ASSETS_REPO": "someone/assets",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run([sys.executable, "-c", script], env=os.environ | settings, capture_output=True, text=True)
    assert run.stdout.strip() == "['word_list_chunker']", run.stderr
    assert "Hub repository 'someone/assets'" in run.stderr and "word lists" in run.stderr


# What the shipped model parses


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("a donut sits nearby", "donut"),
        ("An elephant stands next to a remote.", "elephant remote"),
        ("The hair drier is above the stop sign.", "drier sign"),
        ("a fork lies to the left of a teddy bear", "fork left bear"),
        ("an orange orange on an orange", "orange orange"),
        ("cat on couch, dog under dining table", "cat couch dog table"),
        ("a kettle a kettle lid and a spoon", "kettle lid spoon"),
        ("two dogs and three ripe apples", "dogs apples"),
        ("Above the picnic basket is a kite.", "basket kite"),
        ("a steaming cup between a clock and an umbrella", "cup clock umbrella"),
    ],
)
def test_nouns_that_head_a_phrase(shipped, text, nouns):
    inner = {"compound", "amod", "nmod:poss"}
    assert [token.text for token in shipped(text) if token.pos_ == "NOUN" and token.dep_ not in inner] == nouns.split()


@pytest.mark.parametrize(
    ("text", "word", "dep", "head"),
    [
        ("The oak chest was situated to the right of the glass door.", "chest", "nsubj:pass", "situated"),
        ("The oak chest was situated to the right of the glass door.", "door", "nmod", "right"),
        ("A red apple to the left of a blue car", "left", "nmod", "apple"),
        ("A horse rests on the grass, with a cat sitting to its left.", "sitting", "acl", "cat"),
        (
            "The ladder leans on it, while the barrel is located to the left of a shed.",
            "barrel",
            "nsubj:pass",
            "located",
        ),
        ("Above the picnic basket is a kite.", "kite", "nsubj", "basket"),
        ("On the table sits a lamp.", "lamp", "nsubj", "sits"),
        ("There are two dogs next to a bench.", "dogs", "nsubj", "are"),
        ("There are two dogs next to a bench.", "bench", "obl", "next"),
        ("A horse, which is below the cow, is eating.", "cow", "acl:relcl", "horse"),
        ("a vase between a clock and a cup", "cup", "conj", "clock"),
        ("a black and white cat", "white", "conj", "black"),
        ("a cup of coffee", "coffee", "nmod", "cup"),
        ("A dog stands to the left of a car and is positioned below a kite.", "positioned", "conj", "stands"),
    ],
)
def test_heads_and_relations(shipped, text, word, dep, head):
    doc = shipped(text)
    token = next(token for token in doc if token.text == word)
    assert (token.dep_, token.head.text) == (dep, head)


# What it is trained on


def test_synthetic_captions_are_trees_and_depend_on_the_seed_alone(monkeypatch):
    folder = Path(__file__).parents[1] / "examples" / "english"
    monkeypatch.syspath_prepend(folder)
    with mock.patch.dict(sys.modules):  # scripts: their module names are for this test alone
        for path in folder.glob("*.py"):
            sys.modules.pop(path.stem, None)
        from captions import Captions

    vocab = spacy.blank("en").vocab
    first, again, other = (Captions(seed) for seed in (1, 1, 2))
    docs = [first.document(vocab) for _ in range(100)]
    assert [doc.text for doc in docs] == [again.document(vocab).text for _ in range(100)]
    assert [doc.text for doc in docs] != [other.document(vocab).text for _ in range(100)]
    for doc in docs:
        for sentence in doc.sents:
            assert [token.dep_ for token in sentence].count("ROOT") == 1
            assert len(list(sentence.root.subtree)) == len(sentence)


# What word lists can do


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat above a green bus", ["a cat", "a green bus"]),
        ("cat above green bus", ["cat", "green bus"]),
        (
            "A pumpkin sits nearby, while the cart was pushed to the left of the parked tractor.",
            ["A pumpkin", "the cart", "the parked tractor"],
        ),
        ("a photo of two dogs and a black and white cat", ["two dogs", "a black and white cat"]),
        ("a rusted, abandoned truck next to a pair of scissors", ["a rusted, abandoned truck", "a pair of scissors"]),
        ("dogs run on sand with a snow-covered tree to their right", ["dogs", "sand", "a snow-covered tree"]),
        ("The bus is red and it is between 3 stop signs", ["The bus", "3 stop signs"]),
        ("Left: a dog. Right: a cat.", ["a dog", "a cat"]),
        ("an orange hovering above a small flying bird", ["an orange", "a small flying bird"]),
        ("the dog that chases a ball", ["the dog", "a ball"]),
        ("it is there", []),
        ("", []),
    ],
)
def test_phrases_from_word_lists(text, expected):
    assert phrases(text) == expected


def test_bounds_are_half_open_and_in_words():
    assert chunk_bounds(["a", "cat", "above", "green", "buses"]) == [(0, 2), (3, 5)]


def test_the_component_serves_when_a_second_copy_of_the_module_is_loaded():
    source = Path(sys.modules[WordListChunker.__module__].__file__).read_text(encoding="utf-8")
    exec(
        compile(source, "copy.py", "exec"),
        {"__name__": "a_copy", "__package__": WordListChunker.__module__.rpartition(".")[0]},
    )
    assert Language.has_factory("word_list_chunker")
    assert phrases("a cat") == ["a cat"]
