"""The predictor "auto": the transformer, and a language model where the reader is not sure."""

import json

import pytest
from transformer_pipelines import flux

from spacetime_attn import AutoLayoutPredictor, LLMLayoutPredictor, SpaceTimeAttnPipeline, predict_layout
from spacetime_attn.cli import main
from spacetime_attn.controlled import ControlledPipeline
from spacetime_attn.layout.auto import LEAST_SCORE, sureness
from spacetime_attn.layout.language import read_prompt
from spacetime_attn.layout.learned import TransformerLayoutPredictor
from spacetime_attn.layout.reading import Entity, Reading, Statement


SURE = "a red apple to the left of a blue car"
UNSURE = "the one with it next to that other, cat mug, lamp"
FOREIGN = "ein roter Ball neben einem Hund"
NOTHING_READ = "an oil painting in the style of a cat by salvador dalí"


class Model:
    """Places one thing, and keeps what it was asked."""

    def __init__(self, phrase):
        self.answer = json.dumps({"objects": [{"phrase": phrase, "box": [0.1, 0.2, 0.3, 0.4]}], "relations": []})
        self.requests = []

    def __call__(self, text):
        self.requests.append(json.loads(text.split("### Request\n")[3].partition("\n\n### Answer")[0]))
        return self.answer


def test_the_least_score_of_a_reading_tells_how_sure_it_is():
    entities = Entity("a cat", 0, 5, "cat", score=0.9), Entity("a dog", 6, 11, "dog", score=0.8)
    relation, link = Statement(0, "left of", 1, score=0.7), Statement(0, "member", 1, score=0.6)
    assert sureness(Reading("a cat a dog", entities)) == 0.8
    assert sureness(Reading("a cat a dog", entities, (relation,))) == 0.7
    assert sureness(Reading("a cat a dog", entities, (relation,), (link,))) == 0.6
    assert sureness(Reading("a cat")) == 0 and sureness(Reading("")) == sureness(Reading(" ...")) == 1


def test_these_prompts_are_what_they_are_taken_for():
    assert sureness(read_prompt(SURE)) > LEAST_SCORE > sureness(read_prompt(UNSURE))
    assert not read_prompt(NOTHING_READ).entities


def test_a_sure_reading_is_placed_by_the_transformer():
    model = Model("a red apple")
    assert AutoLayoutPredictor(model)(SURE) == TransformerLayoutPredictor()(SURE) and not model.requests


@pytest.mark.parametrize("prompt, phrase", [(UNSURE, "cat mug"), (FOREIGN, "roter Ball"), (NOTHING_READ, "a cat")])
def test_the_language_model_places_what_is_read_unsurely_or_not_at_all(prompt, phrase, recwarn):
    model = Model(phrase)
    layout = AutoLayoutPredictor(model)(prompt, aspect_ratio=1.5)
    assert layout[phrase].box == (0.1, 0.2, 0.3, 0.4)
    assert model.requests[0]["prompt"] == prompt and model.requests[0]["aspect_ratio"] == 1.5
    assert len(recwarn) == (prompt == FOREIGN)  # told once, though it is read twice


def test_nobody_is_asked_about_a_prompt_without_words():
    model = Model("a cat")
    assert not AutoLayoutPredictor(model)(" ... ") and not model.requests


def test_the_threshold_can_be_moved():
    model = Model("a red apple")
    AutoLayoutPredictor(model, least_score=0.0)(UNSURE)
    assert not model.requests
    AutoLayoutPredictor(model, least_score=1.0)(SURE)
    assert len(model.requests) > 0


def test_without_a_language_model_the_transformer_places_everything():
    for prompt in (SURE, UNSURE):
        assert AutoLayoutPredictor()(prompt) == TransformerLayoutPredictor()(prompt)


def test_where_the_user_names_the_objects_nobody_is_asked():
    model = Model("cat mug")
    assert AutoLayoutPredictor(model)(UNSURE, objects=["cat mug"]).phrases == ["cat mug"] and not model.requests


def test_a_predictor_with_its_own_settings_can_be_the_language_model():
    model = Model("cat mug")
    ready = LLMLayoutPredictor(model, max_new_tokens=99)
    assert AutoLayoutPredictor(ready).llm is ready


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`least_score`.*1.5"):
        AutoLayoutPredictor(least_score=1.5)
    with pytest.raises(TypeError, match="`model`.*int: 3"):
        AutoLayoutPredictor(3)
    with pytest.raises(TypeError, match="`prompt`"):
        AutoLayoutPredictor(Model("a cat"))(["a cat"])


# --- by name --------------------------------------------------------------------------------------------------------
def test_predict_layout_takes_the_name_and_the_language_model():
    model = Model("cat mug")
    assert predict_layout(UNSURE, layout_predictor="auto", llm=model)["cat mug"].box == (0.1, 0.2, 0.3, 0.4)
    assert predict_layout(UNSURE, layout_predictor="llm", llm=model)["cat mug"].box == (0.1, 0.2, 0.3, 0.4)
    assert predict_layout(SURE, layout_predictor="auto", llm=model) == predict_layout(SURE)
    with pytest.raises(TypeError, match="`llm` is for.*'rules'"):
        predict_layout(SURE, layout_predictor="rules", llm=model)


def test_a_pipeline_takes_them_keeps_the_name_and_changes_either(components, tmp_path):
    model, other = Model("cat mug"), Model("lamp")
    pipe = SpaceTimeAttnPipeline(**components, layout_predictor="auto", llm=model)
    assert pipe.predict_layout(UNSURE).phrases == ["cat mug"] and len(pipe.predict_layout(SURE)) == 2
    pipe.llm = other
    assert pipe.predict_layout(UNSURE).phrases == ["lamp"]
    pipe.layout_predictor = "llm"
    assert pipe.predict_layout(SURE) and len(other.requests) == 3  # asked twice: it places none of these
    pipe.layout_predictor = "rules"
    asked = len(other.requests)
    pipe.predict_layout(UNSURE)
    assert len(other.requests) == asked
    pipe.layout_predictor = "auto"
    pipe.save_config(tmp_path)
    assert pipe.load_config(tmp_path)["layout_predictor"] == "auto"


def test_a_language_model_that_nobody_would_ask_is_refused(components):
    with pytest.raises(TypeError, match="`llm` is for.*'transformer'"):
        SpaceTimeAttnPipeline(**components, llm=Model("a cat"))


def test_controlled_pipelines_take_them():
    pipe = ControlledPipeline(flux(), "early", "auto", Model("cat mug"))
    assert pipe.predict_layout(UNSURE)["cat mug"].box == (0.1, 0.2, 0.3, 0.4)
    assert len(pipe.predict_layout(SURE)) == 2


@pytest.mark.parametrize("name", [None, "auto", "llm"])
def test_the_command_line_asks_the_model_that_is_named(name, monkeypatch, capsys):
    asked = []

    def answer(predictor, messages):
        asked.append(predictor.model)
        return Model("cat mug").answer

    monkeypatch.setattr("spacetime_attn.layout.llm.find_spec", lambda name: True)
    monkeypatch.setattr(LLMLayoutPredictor, "_ask", answer)
    options = ["--preset", "early", "--llm", "user/model", *(["--layout-predictor", name] if name else [])]
    assert main(["layout", UNSURE, *options]) == 0
    assert "cat mug: box (0.10, 0.20, 0.30, 0.40)" in capsys.readouterr().out and asked == ["user/model"]
    assert main(["layout", SURE, *options]) == 0
    assert len(asked) == (3 if name == "llm" else 1)
