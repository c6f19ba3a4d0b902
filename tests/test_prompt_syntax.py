"""Syntax of other tools is taken out of a prompt, and English stays as it is."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from growth import growth
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_attn.layout.prompt_syntax import parse_prompt


CONSTRUCTIONS = Path(__file__).with_name("constructions.jsonl")
FRAGMENTS = r"""
    ( ) [ ] { } \( \) \ | : :: :1.3) :2] :0.5] ++ -- - + —no --no --ar 16:9 BREAK AND ADDCOL
    <lora:a:1> <lora: <cat-toy> _ a_b long_hair ^_^ cat Dog C 7 1.3 2$$ , . ! a@b.c http://x.y Negative Steps:
""".split()
SPACES = [" ", "  ", "\n", "\t", "\0", "\u2028", "\u00a0", "\nSteps: 2,", "\nNegative prompt: "]


def weighted(prompt):
    """The pieces that are not plain text, and their weights."""
    return {piece.text: piece.weight for piece in parse_prompt(prompt).pieces if piece.weight != 1}


def chunks(prompt):
    return [(piece.text, piece.chunk) for piece in parse_prompt(prompt).pieces]


# --- English --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "A red cat sits to the left of a blue dog, under a tree.",
        "a cat -- a dog",
        "a cat--a dog",
        "a cat — a dog, a bird —a small one",
        "a farm —about 20 cows— at dusk",
        "two- and three-legged stools; the cat's well-known toy",
        "a 3:2 picture at 10:30, f/1.8, 1:1.85, 35mm",
        "a book about C++ and a grade of A+",
        "a cat + a dog, 18+ only",
        "mail to a_cat@my_house.com or https://my_house.com/a--b_c",
        "^_^, >_<, T_T, o_o",
        "a <cat-toy> beside <my_dog>, I <3 you",
        "First row: a cat; second row: a dog | a bird",
        "A CAT AND A DOG",
        "a poster that says SALT AND PEPPER",
        "WAVES BREAK ON THE SHORE",
        "bread and butter, a tie-break, an AND-gate",
        "no negative thoughts, steps: three",
        "two  spaces stay, and one at the end ",
        r"C:\cat",
        "un café ☕ à côté d'un chat",
    ],
)
def test_english_stays_character_for_character(prompt):
    parsed = parse_prompt(prompt)
    assert parsed.text == prompt
    assert parsed.negative_prompt == "" and not weighted(prompt)
    assert parsed.offsets == tuple(range(len(prompt)))


def test_prompts_of_the_benchmark_stay():
    prompts = [json.loads(line)["prompt"] for line in CONSTRUCTIONS.read_text().splitlines()]
    assert prompts
    assert [prompt for prompt in prompts if parse_prompt(prompt).text != prompt] == []


def test_line_breaks_and_tabs_become_spaces_one_for_one():
    assert parse_prompt("a cat,\r\na\tdog").text == "a cat,  a dog"


# --- weights --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "prompt, text, weights",
    [
        ("a (red:1.3) cat", "a red cat", {"red": 1.3}),
        ("a (red : .5 ) cat", "a red cat", {"red ": 0.5}),
        ("(a cat:2), a dog", "a cat, a dog", {"a cat": 2}),
        ("(cat:-1)", "cat", {"cat": -1}),
        ("((word))", "word", {"word": 1.21}),
        ("[word]", "word", {"word": 1 / 1.1}),
        ("([word])", "word", {}),
        ("{{word}}", "word", {"word": 1.05**2}),
        ("(a [red] cat:1.3)", "a red cat", {"a ": 1.3, "red": 1.3 / 1.1, " cat": 1.3}),
        ("a cat (with a hat)", "a cat with a hat", {"with a hat": 1.1}),
        ("(at 10:30) a (2:3) picture", "at 10:30 a 2:3 picture", {"at 10:30": 1.1, "2:3": 1.1}),
        ("word++ word--", "word word", {"word": 0.81}),
        ("a well-known++ cat---, dog+", "a well-known cat, dog", {"well-known": 1.21, "cat": 0.729, "dog": 1.1}),
        ("(a red hat)++ on (a cat)--", "a red hat on a cat", {"a red hat": 1.21, "a cat": 0.81}),
        ("(a (red)++ hat)1.3", "a red hat", {"a ": 1.3, "red": 1.3 * 1.21, " hat": 1.3}),
        ("(great)-grandfather", "great-grandfather", {"great": 1.1}),
        (r"saber \(fate\), (archer \(fate\):1.2)", "saber (fate), archer (fate)", {"archer (fate)": 1.2}),
        ("(long_hair:1.2), blue_eyes", "long hair, blue eyes", {"long hair": 1.2}),
        ("cat:1.3, dog", "cat, dog", {}),
        ("cat::2 dog::-0.5", "cat, dog", {}),
        ("cat::2 dog:: a 1.3::bird::", "cat, dog a bird", {}),
        ("1cat::2 (dog:1.2)::1\n3 birds::1", "1cat, dog, 3 birds", {"dog": 1.2}),
        ("a 1.3::red cat:: on 0.8::grey mats::", "a red cat on grey mats", {}),
    ],
)
def test_weights_go_into_the_pieces(prompt, text, weights):
    assert parse_prompt(prompt).text == text
    assert weighted(prompt) == pytest.approx(weights)


@pytest.mark.parametrize(
    "prompt, text",
    [
        ("a (red cat", "a red cat"),
        ("a red) cat", "a red cat"),
        ("a (red:1.3 cat", "a red cat"),
        ("a red:1.3) cat", "a red cat"),
        ("1) a cat 2) a dog", "1 a cat 2 a dog"),
        ("(cat]", "cat"),
        ("][)(}{", ""),
    ],
)
def test_unmatched_brackets_are_dropped(prompt, text):
    assert parse_prompt(prompt).text == text
    assert not weighted(prompt)


def test_brackets_left_open_within_others_do_not_hinder_them():
    assert weighted("(a [cat:1.3)") == {"a cat": 1.3}


def test_weights_stay_finite():
    assert weighted("(" * 9999 + "a" + ")" * 9999) == {"a": 1000}
    assert weighted(f"(a:{'9' * 999}), (b:-{'9' * 999})") == {"a": 1000, "b": -1000}
    assert weighted(f"a{'+' * 99_999} b{'-' * 99_999}") == pytest.approx({"a": 1000, "b": 0}, abs=1e-4)


# --- alternatives, chunks, networks, flags --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "prompt, text",
    [
        ("a [cat:dog:0.5] here", "a dog here"),
        ("a [cat:dog:10] here", "a dog here"),
        ("a [cat::0.5] here", "a cat here"),
        ("a [cat:0.5] here", "a cat here"),
        ("a [[cat:dog:0.3]:(bird:1.2):0.5] here", "a bird here"),
        ("a [cat|dog] here", "a cat here"),
        ("a {cat|dog|{red|blue} bird} here", "a cat here"),
        ("a {2$$cat|dog} here", "a cat here"),
        ("a [|cat] here", "a cat here"),
        ("a [|] here", "a here"),
        ("a [cat (|dog] here", "a cat here"),
    ],
)
def test_one_of_several_texts_stays_at_its_plain_weight(prompt, text):
    assert parse_prompt(prompt).text == text
    assert not {"cat", "dog"} & set(weighted(prompt))


@pytest.mark.parametrize("operator", ["BREAK", "AND", "ADDCOL", "ADDROW", "ADDCOMM", "ADDBASE"])
@pytest.mark.parametrize("space", [" ", "\n"])
def test_operators_begin_chunks(operator, space):
    assert chunks(f"a cat{space}{operator}{space}a dog") == [("a cat, ", 0), ("a dog", 1)]


def test_chunks_are_counted_and_weights_go_on():
    assert chunks("a cat, BREAK, (a dog BREAK a bird:1.2)") == [("a cat, ", 0), ("a dog, ", 1), ("a bird", 2)]
    assert chunks("8K, HDR BREAK A cat AND a dog :1.2") == [("8K, HDR, ", 0), ("A cat, ", 1), ("a dog", 2)]


@pytest.mark.parametrize(
    "prompt, text",
    [
        ("<lora:a b_c:0.8>, a cat", "a cat"),
        ("a cat <lyco:x:1>, a dog", "a cat, a dog"),
        ("a cat, <lora:x:0.8:1>, a dog", "a cat, a dog"),
        ("a cat<hypernet:x:1>a dog <lora:x:1>.", "a cat a dog."),
        ("a cat <lora:x:1> <lora:y:1>", "a cat"),
    ],
)
def test_networks_are_removed(prompt, text):
    assert parse_prompt(prompt).text == text


@pytest.mark.parametrize(
    "prompt, text, negative",
    [
        ("a cat --ar 16:9 --v 5 --style raw --niji", "a cat", ""),
        ("a cat --seed 3 --q 2, a dog", "a cat, a dog", ""),
        ("--ar=4:5 a cat --tile", "a cat", ""),
        ("(a cat --ar 16:9) and --niji (a dog)", "a cat and a dog", ""),
        ("a cat --no dog, bird --ar 3:2 --no mouse", "a cat", "dog, bird, mouse"),
        ("a cat —no dog", "a cat", "dog"),
        ("a cat —ar 16:9 —v 5", "a cat", ""),
        ("a cat --noise 3 --no", "a cat", ""),
        ("a cat\nNegative prompt: dog, (bird:1.4)", "a cat", "dog, (bird:1.4)"),
        ("a cat. negative prompt: dog,", "a cat.", "dog"),
        ("a cat --no bird\nNegative prompt: dog\nmouse\nSteps: 20, Sampler: Euler a\nx", "a cat", "bird, dog\nmouse"),
        ("a cat\nSteps: 20, Sampler: Euler a", "a cat", ""),
        ("Negative prompt: dog", "", "dog"),
    ],
)
def test_flags_and_negative_prompts_are_removed(prompt, text, negative):
    parsed = parse_prompt(prompt)
    assert (parsed.text, parsed.negative_prompt) == (text, negative)


@pytest.mark.parametrize(
    "prompt, text",
    [
        ("cat(dog)bird", "cat dog bird"),
        ("red,(blue)-green", "red,blue-green"),
        ("a  ( cat ) , (dog) .", "a cat, dog ."),
        ("a (!) sign", "a ! sign"),
        ("  (a cat)  ", "a cat"),
    ],
)
def test_one_space_remains_between_words(prompt, text):
    assert parse_prompt(prompt).text == text


# --- offsets --------------------------------------------------------------------------------------------------------
def test_offsets_lead_back_to_the_prompt():
    prompt = "<lora:x:1> a (red_haired:1.3) girl BREAK a dog"
    parsed = parse_prompt(prompt)
    start = parsed.text.index("red haired girl")
    first, last = parsed.offsets[start], parsed.offsets[start + len("red haired girl") - 1]
    assert prompt[first : last + 1] == "red_haired:1.3) girl"
    assert [prompt[piece.start] for piece in parsed.pieces] == ["a", "r", " ", "a"]


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(FRAGMENTS + SPACES), max_size=40).map("".join))
def test_any_text_is_read(prompt):
    parsed = parse_prompt(prompt)
    text, offsets = parsed.text, parsed.offsets
    assert len(offsets) == len(text)
    assert all(a < b for a, b in pairwise((-1, *offsets, len(prompt))))
    assert all(shown in (prompt[offset], " ", ",") for offset, shown in zip(offsets, text))
    assert not text[:1].isspace()
    for piece in parsed.pieces:
        assert piece.text and piece.start in offsets and math.isfinite(piece.weight)


@pytest.mark.parametrize(
    "unit", [*r"( ) ([{ [a| [a:b: <a: \( a. _ :1. a+ 1::".split(), " ", "\n", "--no ", "—a 1 ", "AND "]
)
@pytest.mark.parametrize("end", ["", "]", ":0.5]", ")"])
def test_the_time_is_linear_in_the_length_of_the_prompt(unit, end):
    def prompt(length: int) -> str:
        return (unit * length)[:length] + "a" + (end * length)[:length]

    assert growth(parse_prompt, prompt(1_250), prompt(10_000)) < 24  # and 64 if it were quadratic
