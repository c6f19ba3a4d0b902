"""Which words of a prompt are objects."""

import pytest
import spacy
from spacy.tokens import Doc

from spacetime_attn.layout.chunker import CHUNKER_NAME
from spacetime_attn.layout.language import load_language
from spacetime_attn.layout.phrases import find_phrases
from spacetime_attn.layout.plurals import counted_singular, singular, with_article


@pytest.fixture(scope="module")
def nlp():
    return load_language()


@pytest.fixture(scope="module")
def word_lists():
    """The last resort: no tagger, no parser."""
    nlp = spacy.blank("en")
    nlp.add_pipe(CHUNKER_NAME)
    return nlp


def texts(doc):
    return [phrase.text for phrase in find_phrases(doc)]


def test_phrases_keep_article_and_attributes_as_written(nlp):
    assert texts(nlp("The wooden chest stands beside a tiny green lamp.")) == ["The wooden chest", "a tiny green lamp"]


def test_spans_point_into_the_prompt(nlp):
    prompt = "Beside an old lighthouse lies a rowing boat."
    for phrase in find_phrases(nlp(prompt)):
        assert prompt[phrase.start : phrase.end] == phrase.text


def test_several_adjectives_belong_to_one_phrase(nlp):
    assert texts(nlp("A big, fluffy, grey rabbit")) == ["A big, fluffy, grey rabbit"]
    assert texts(nlp("A black and white cow next to a tractor")) == ["A black and white cow", "a tractor"]


@pytest.mark.parametrize(
    "prompt, expected",
    [
        ("a pair of scissors on a desk", ["a pair of scissors", "a desk"]),
        ("a bunch of bananas", ["a bunch of bananas"]),
        ("a slice of pizza and a cup of tea", ["a slice of pizza", "a cup of tea"]),
        ("a statue of a horse", ["a statue of a horse"]),
        ("a chest of drawers", ["a chest of drawers"]),
    ],
)
def test_a_measure_of_something_is_one_object(nlp, prompt, expected):
    assert texts(nlp(prompt)) == expected


@pytest.mark.parametrize(
    "prompt",
    [
        "It stands to the left of them.",
        "a photo of a quiet street in the background of the scene",
        "the sky above the beach at sunset",
        "a sunny day in the forest",
        "her hands and his shoulder",
        "peace, happiness and a sense of wonder",
        "the kitchen floor in the morning light",
    ],
)
def test_surroundings_directions_body_parts_light_and_ideas_are_no_objects(nlp, prompt):
    assert texts(nlp(prompt)) == []


def test_what_something_stands_on_is_an_object(nlp):
    assert texts(nlp("A candle stands on a table in the dining room.")) == ["A candle", "a table"]


def test_compounds_are_objects_though_their_last_word_alone_is_not(nlp):
    assert texts(nlp("a traffic light beside a toy kitchen")) == ["a traffic light", "a toy kitchen"]


@pytest.mark.parametrize(
    "prompt, expected",
    [
        ("A watercolor painting of a fox", ["a fox"]),
        ("a fox, oil painting, best quality, 8k, in the style of Monet", ["a fox"]),
        ("a painting above a sofa", ["a painting", "a sofa"]),
        ("Above the sofa hangs a painting of a ship.", ["the sofa", "a painting of a ship"]),
    ],
)
def test_the_medium_of_the_picture_is_no_object(nlp, prompt, expected):
    assert texts(nlp(prompt)) == expected


def test_parts_and_comments_are_no_objects(nlp):
    prompt = "The harp stood beside the drum, its strings shining, adding a touch of gold to the room."
    assert texts(nlp(prompt)) == ["The harp", "the drum"]


@pytest.mark.parametrize(
    "prompt, expected",
    [
        ("a park without a dog or a cat", []),
        ("There is no bicycle, only a scooter.", ["a scooter"]),
        ("neither a fork nor a spoon, just a knife", ["a knife"]),
        ("a pizza with no olives", ["a pizza"]),
    ],
)
def test_what_is_said_not_to_be_there_is_left_out(nlp, prompt, expected):
    assert texts(nlp(prompt)) == expected


def test_later_mentions_merge_into_the_first(nlp):
    prompt = "A brown owl sits on a branch. The owl watches a mouse, and the mouse watches the owl."
    phrases = find_phrases(nlp(prompt))
    assert [phrase.text for phrase in phrases] == ["A brown owl", "a branch", "a mouse"]
    assert [len(phrase.mentions) for phrase in phrases] == [3, 1, 2]
    assert all("owl" in prompt[start:end] for start, end in phrases[0].mentions)


def test_things_with_other_attributes_stay_apart(nlp):
    prompt = "A red ball and a blue ball. The blue ball is under the red ball."
    assert texts(nlp(prompt)) == ["A red ball", "a blue ball"]


def test_two_indefinite_mentions_are_two_things(nlp):
    assert texts(nlp("a goat beside a goat")) == ["a goat", "a goat"]


def test_a_general_word_may_mean_what_was_named_before(nlp):
    assert texts(nlp("A horse stands beside a barn. The animal is calm.")) == ["A horse", "a barn"]
    assert texts(nlp("A barn is behind the animal.")) == ["A barn", "the animal"]


@pytest.mark.parametrize(
    "prompt, expected",
    [
        ("two dogs", ["a dog"] * 2),
        ("three ripe apples", ["a ripe apple"] * 3),
        ("a couple of owls", ["an owl"] * 2),
        ("5 candles", ["a candle"] * 5),
        ("two pairs of skis", ["a pair of skis"] * 2),
        ("two scissors and two shoes", ["a pair of scissors"] * 2 + ["a shoe"] * 2),
        ("four glasses of milk", ["a glass of milk"] * 4),
        ("two teddy bears", ["a teddy bear"] * 2),
        ("a dozen eggs", ["an egg"] * 12),
        ("100 balloons", ["100 balloons"]),
        ("many books", ["many books"]),
    ],
)
def test_counts_become_instances(nlp, prompt, expected):
    assert texts(nlp(prompt)) == expected


def test_instances_share_the_span_of_the_whole(nlp):
    prompt = "On the shelf are three ripe apples."
    spans = {prompt[p.start : p.end] for p in find_phrases(nlp(prompt)) if p.head == "apple"}
    assert spans == {"three ripe apples"}


def test_later_mentions_of_a_count_speak_of_all_instances(nlp):
    phrases = find_phrases(nlp("Two cats sit beside a dog. The cats are black."))
    assert [len(phrase.mentions) for phrase in phrases] == [2, 2, 1]


def test_owners_are_objects_of_their_own_where_they_are_definite(nlp):
    assert texts(nlp("The farmer's hat is red.")) == ["The farmer", "hat"]
    assert texts(nlp("a bird's nest in a tree")) == ["a bird's nest", "a tree"]


def test_word_lists_do_without_a_model(word_lists):
    assert texts(word_lists("a cat above a green bus")) == ["a cat", "a green bus"]
    assert texts(word_lists("Two dogs in a park with a red ball")) == ["a dog", "a dog", "a red ball"]


def test_other_label_schemes_do_as_well():
    nlp = spacy.blank("en")
    words = ["A", "red", "kite", "flies", "above", "two", "boats"]
    doc = Doc(
        nlp.vocab,
        words=words,
        pos=["DET", "ADJ", "NOUN", "VERB", "ADP", "NUM", "NOUN"],
        tags=["DT", "JJ", "NN", "VBZ", "IN", "CD", "NNS"],
        deps=["det", "amod", "nsubj", "ROOT", "prep", "nummod", "pobj"],
        heads=[2, 2, 3, 3, 3, 6, 4],
    )
    assert texts(doc) == ["A red kite", "a boat", "a boat"]


@pytest.mark.parametrize(
    "plural, one",
    [("buses", "bus"), ("knives", "knife"), ("cherries", "cherry"), ("glasses", "glasses"), ("sheep", "sheep"),
     ("people", "person"), ("boxes", "box"), ("dress", "dress"), ("toes", "toe"), ("tomatoes", "tomato")],
)  # fmt: skip
def test_singular(plural, one):
    assert singular(plural) == one


def test_counted_things_have_a_singular():
    assert [counted_singular(word) for word in ("glasses", "boots", "jeans")] == ["glass", "boot", "pair of jeans"]


@pytest.mark.parametrize("noun", ["an hourglass", "a unicorn", "an umbrella", "a European car", "an old car"])
def test_articles_follow_the_sound(noun):
    assert with_article(noun.split(maxsplit=1)[1]) == noun
