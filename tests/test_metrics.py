"""The metrics of the benchmark, on detections written by hand."""

import math

import pytest

from spacetime_attn.examples.metrics import METRICS, compare, score_picture, split_phrase, summarize


PROMPT = {
    "id": "1",
    "prompt": "A red apple to the left of a blue car, with a cat above them.",
    "objects": ["red apple", "blue car", "cat"],
    "relations": [
        {"subject": "red apple", "relation": "left of", "object": "blue car"},
        {"subject": "cat", "relation": "above", "object": "red apple"},
        {"subject": "blue car", "relation": "below", "object": "cat"},
    ],
}


def thing(category, colour=None, x=0.5, y=0.5):
    """A small thing with its centre at (x, y)."""
    return {"category": category, "colour": colour, "box": [x - 0.1, y - 0.1, x + 0.1, y + 0.1], "score": 1.0}


APPLE, CAR, CAT = thing("apple", "red", 0.2, 0.8), thing("car", "blue", 0.8, 0.8), thing("cat", None, 0.5, 0.2)


def test_a_right_picture_is_right_in_everything():
    score = score_picture(PROMPT, [CAT, CAR, APPLE])
    assert score == {
        "object recall": (3, 3),
        "recall with colour": (3, 3),
        "attribute accuracy": (2, 2),
        "relation accuracy": (3, 3),
        "relation accuracy (found)": (3, 3),
        "spurious objects": (0, 1),
        "errors": (0, 1),
        "entirely right": (1, 1),
    }


def test_an_empty_picture_has_nothing():
    score = score_picture(PROMPT, [])
    assert score["object recall"] == (0, 3) and score["relation accuracy"] == (0, 3)
    assert score["relation accuracy (found)"] == (0, 0) and score["attribute accuracy"] == (0, 0)
    assert score["errors"] == (6, 1) and score["entirely right"] == (0, 1)


def test_a_missing_object_costs_its_relations_but_not_those_of_found_objects():
    score = score_picture(PROMPT, [CAR, CAT])
    assert score["object recall"] == (2, 3)
    assert score["relation accuracy"] == (1, 3) and score["relation accuracy (found)"] == (1, 1)


def test_a_wrong_colour_is_found_but_not_right():
    score = score_picture(PROMPT, [APPLE, thing("car", "red", 0.8, 0.8), CAT])
    assert score["object recall"] == (3, 3) and score["recall with colour"] == (2, 3)
    assert score["attribute accuracy"] == (1, 2)
    assert score["relation accuracy"] == (3, 3)
    assert score["entirely right"] == (0, 1)


def test_an_object_without_a_colour_may_have_any():
    assert score_picture(PROMPT, [APPLE, CAR, thing("cat", "green", 0.5, 0.2)])["entirely right"] == (1, 1)


def test_what_the_prompt_does_not_name_and_what_is_there_too_often_is_spurious():
    score = score_picture(PROMPT, [APPLE, CAR, CAT, thing("dog"), CAT])
    assert score["spurious objects"] == (2, 1)
    assert score["object recall"] == (3, 3) and score["entirely right"] == (0, 1)


def test_any_pair_of_instances_may_satisfy_a_relation():
    apple_on_the_right = thing("apple", "red", 0.9, 0.8)
    assert score_picture(PROMPT, [apple_on_the_right, CAR, CAT])["relation accuracy"] == (2, 3)
    assert score_picture(PROMPT, [apple_on_the_right, APPLE, CAR, CAT])["relation accuracy"] == (3, 3)


def test_relations_compare_centres_strictly():
    prompt = PROMPT | {"relations": PROMPT["relations"][:1]}
    assert score_picture(prompt, [thing("apple", "red"), thing("car", "blue")])["relation accuracy"] == (0, 1)


def test_colours_tell_two_of_a_category_apart():
    prompt = {
        "objects": ["red apple", "green apple"],
        "relations": [{"subject": "red apple", "relation": "left of", "object": "green apple"}],
    }
    red, green = thing("apple", "red", 0.2), thing("apple", "green", 0.8)
    assert score_picture(prompt, [red, green])["entirely right"] == (1, 1)
    swapped = score_picture(prompt, [thing("apple", "green", 0.2), thing("apple", "red", 0.8)])
    assert swapped["recall with colour"] == (2, 2) and swapped["relation accuracy"] == (0, 1)
    both_red = score_picture(prompt, [red, thing("apple", "red", 0.8)])
    assert both_red["object recall"] == (2, 2) and both_red["recall with colour"] == (1, 2)
    assert both_red["relation accuracy (found)"] == (0, 0)


def test_counted_objects_are_listed_as_often_as_they_are_there():
    prompt = {"objects": ["cat", "cat"], "relations": []}
    assert score_picture(prompt, [CAT])["object recall"] == (1, 2)
    assert score_picture(prompt, [CAT, CAT])["entirely right"] == (1, 1)
    assert score_picture(prompt, [CAT, CAT, CAT])["spurious objects"] == (1, 1)


def test_uncoloured_objects_leave_the_coloured_instance_to_whom_it_belongs():
    prompt = {"objects": ["apple", "red apple"], "relations": []}
    assert score_picture(prompt, [thing("apple", "red"), thing("apple", "green")])["entirely right"] == (1, 1)


def test_relations_that_are_not_judged_do_not_count():
    relation = {"subject": "red apple", "relation": "next to", "object": "cat"}
    assert score_picture(PROMPT | {"relations": [relation]}, [APPLE, CAR, CAT])["relation accuracy"] == (0, 0)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("red apple", ("apple", "red")),
        ("an orange", ("orange", None)),
        ("the large grey wine glass", ("large wine glass", "gray")),
        ("Teddy bear", ("teddy bear", None)),
    ],
)
def test_phrases_are_split_into_category_and_colour(phrase, expected):
    assert split_phrase(phrase) == expected


def test_summary_divides_the_sums():
    scores = [score_picture(PROMPT, [APPLE, CAR, CAT]), score_picture(PROMPT, [CAR, CAT]), score_picture(PROMPT, [])]
    summary = summarize(scores)
    assert list(summary) == list(METRICS)
    assert summary["object recall"].value == pytest.approx(5 / 9) and summary["object recall"].count == 9
    assert summary["relation accuracy"].value == pytest.approx(4 / 9)
    assert summary["relation accuracy (found)"].value == 1 and summary["relation accuracy (found)"].count == 4
    assert summary["entirely right"].value == pytest.approx(1 / 3)
    assert 0 <= summary["entirely right"].low <= 1 / 3 <= summary["entirely right"].high <= 1


def test_bootstrap_is_seeded_and_has_the_right_width():
    right, wrong = score_picture(PROMPT, [APPLE, CAR, CAT]), score_picture(PROMPT, [])
    scores = [right, wrong] * 150
    estimate = summarize(scores)["entirely right"]
    assert estimate == summarize(scores)["entirely right"]
    assert estimate != summarize(scores, seed=1)["entirely right"]
    half_width = 1.96 * math.sqrt(0.25 / 300)  # of the normal approximation
    assert estimate.low == pytest.approx(0.5 - half_width, abs=0.01)
    assert estimate.high == pytest.approx(0.5 + half_width, abs=0.01)


def test_differences_are_paired():
    right, wrong = score_picture(PROMPT, [APPLE, CAR, CAT]), score_picture(PROMPT, [])
    same = compare([right, wrong] * 20, [right, wrong] * 20)["entirely right"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = compare([right, right] * 20, [right, wrong] * 20)["entirely right"]
    assert better.value == 0.5 and better.low > 0.3
    with pytest.raises(ValueError, match="same prompts"):
        compare([right], [right, wrong])


def test_nothing_counted_has_no_value():
    summary = summarize([score_picture({"objects": ["cat"], "relations": []}, [CAT])])
    assert math.isnan(summary["relation accuracy"].value) and summary["relation accuracy"].count == 0
    assert summary["object recall"].value == 1
