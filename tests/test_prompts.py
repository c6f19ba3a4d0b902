"""A prompt as it was typed and its reading: other languages, syntax of other tools, what is absent, long texts."""

import pytest
from growth import growth

from spacetime_attn.layout.language import read_prompt
from spacetime_attn.layout.objects import objects_of


PROMPT = "a red apple to the left of a blue car"
STATED = {("a red apple", "left of", "a blue car")}


def stated(reading) -> set[tuple]:
    """The relations of a reading by the phrases they are about."""
    names = [entity.phrase for entity in reading.entities]
    return {(names[s.subject], s.relation, names[s.object]) for s in reading.relations if s.object is not None}


def test_what_a_prompt_states_is_read():
    assert stated(read_prompt(PROMPT)) == STATED


def test_line_breaks_are_spaces():
    assert stated(read_prompt("a red apple to the left of\na blue car")) == STATED


@pytest.mark.parametrize(
    "prompt", ["赤い車の左に猫", "красная машина слева от кошки", "ein roter Apfel links von einem blauen Auto"]
)
def test_other_languages_are_not_read_and_a_warning_says_so(prompt):
    with pytest.warns(UserWarning, match="the prompt is not English"):
        assert objects_of(read_prompt(prompt)) == ([], [])


def test_the_syntax_of_other_tools_is_not_read():
    reading = read_prompt("(a red apple:1.3) to the left of a ((blue car)) <lora:fruit:0.8> --ar 16:9")
    assert reading.prompt == PROMPT and stated(reading) == STATED


def test_the_name_of_a_textual_inversion_is_part_of_a_phrase():
    assert stated(read_prompt("a red <cat-toy> to the left of a blue car")) == {
        ("a red <cat-toy>", "left of", "a blue car")
    }


@pytest.mark.parametrize("rest", [" --no dogs, people", "\nNegative prompt: dogs, people"])
def test_what_is_to_be_absent_is_kept_with_a_warning(rest):
    with pytest.warns(UserWarning, match="'dogs, people' is taken as absent, but the model still reads it") as seen:
        reading = read_prompt(PROMPT + rest)
    assert reading.negative_prompt == "dogs, people" and len(reading.entities) == 2 and len(seen) == 1


@pytest.mark.parametrize("prompt", ["", " \n", "\ud800", "_" * 20])
def test_without_words_there_is_nothing_to_read(prompt):
    assert read_prompt(prompt).entities == ()


@pytest.mark.parametrize("prompt", [None, 3, ["a cat"]])
def test_a_prompt_has_to_be_a_string(prompt):
    with pytest.raises(TypeError, match="`prompt` has to be a string"):
        read_prompt(prompt)


def test_the_time_is_linear_in_the_length_of_the_prompt():
    text = f"{PROMPT}, a cat on a sofa. " * 200
    assert growth(read_prompt, text[:1_000], text[:8_000]) < 24  # and 64 if it were quadratic
