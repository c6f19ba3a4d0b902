"""Where a prompt says that its objects are."""

import pytest
import spacy

from spacetime_attn.layout.chunker import CHUNKER_NAME
from spacetime_attn.layout.language import load_language
from spacetime_attn.layout.lexicon import SPATIAL_LEXICON
from spacetime_attn.layout.phrases import find_phrases
from spacetime_attn.layout.relations import PICTURE_PLACES, find_relations


@pytest.fixture(scope="module")
def nlp():
    return load_language()


def stated(nlp, prompt):
    """The relations in words, each object by its noun: {"lamp above desk"}."""
    doc = nlp(prompt)
    phrases = find_phrases(doc)
    return [
        " ".join(
            [phrases[r.subject].head, r.relation]
            + [phrases[index].head for index in (r.object, r.second_object) if index is not None]
        )
        for r in find_relations(doc, phrases)
    ]


def check(nlp, line):
    prompt, expected = line.split(" | ")
    assert sorted(stated(nlp, prompt)) == sorted(item.strip() for item in expected.split(";"))


@pytest.mark.parametrize(
    "line",
    [
        "A lamp is to the left of a desk. | lamp left of desk",
        "A lamp is right of a desk. | lamp right of desk",
        "The stool is on the left-hand side of the harp. | stool left of harp",
        "A drone hovers over a barn. | drone above barn",
        "A parrot sits upon a chest. | parrot on chest",
        "A toaster is on top of a stove. | toaster on stove",
        "The frog sits beneath the umbrella. | frog below umbrella",
        "A fish is inside a bowl. | fish inside bowl",
        "The vase contains a rose. | rose inside vase",
        "A truck is parked in front of a house. | truck in front of house",
        "A squirrel hides behind a tree. | squirrel behind tree",
        "A tent stands next to a wagon. | tent next to wagon",
        "A hedgehog is far from a snail. | hedgehog far from snail",
        "A lamp stands between a sofa and a piano. | lamp between sofa piano",
        "A cup is between two teapots. | cup between teapot teapot",
    ],
)
def test_each_relation_has_its_expressions(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A seagull is in the top left corner. | seagull top left",
        "A bear on the right side of the image. | bear right",
        "At the top of the picture there is a kite. | kite top",
        "A statue is in the centre of the picture. | statue centre",
        "Left: a panda. Right: a tiger. | panda left; tiger right; panda left of tiger",
        "A panda on the left, a tiger on the right. | panda left; tiger right; panda left of tiger",
        "panda left, tiger right | panda left; tiger right; panda left of tiger",
        "At the top a seagull, at the bottom a crab. | seagull top; crab bottom; seagull above crab",
    ],
)
def test_places_of_the_picture_need_no_landmark(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A goat is on top of the barrel and a pig is underneath it. | goat on barrel; pig below barrel",
        "The lamp is above the sofa, with a rug below it. | lamp above sofa; rug below lamp",
        "A woman stands with a poodle to her left. | poodle left of woman",
        "The scissors lie above the book, with a pencil to the right of them. "
        "| scissors above book; pencil right of scissors",
        "The cup is to the left of the kettle, and it is above the jar. | cup left of kettle; cup above jar",
        "The kettle is above the fork and the knife, with a jug below them. "
        "| kettle above fork; kettle above knife; jug below fork; jug below knife",
        "A castle stands behind a knight, with a dragon above them. | castle behind knight; dragon above knight",
        "A falcon soars above the knight's head. | falcon above knight",
        "The boy holds an umbrella above his head. | umbrella above boy",
        "A man walks past a mailbox on his left. | man next to mailbox; mailbox left of man",
    ],
)
def test_pronouns_are_resolved(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A hat is on the shelf, which is above the desk. | hat on shelf; shelf above desk",
        "A whale is below a ship, which is in turn below a helicopter. | whale below ship; ship below helicopter",
        "The monkey, which holds a coconut, is above the crocodile. | monkey above crocodile",
        "The monkey, holding a coconut, is to the left of the parrot. | monkey left of parrot",
        "The cup that is below the lamp is left of the jar. | cup below lamp; cup left of jar",
    ],
)
def test_relative_clauses_and_insertions_go_back_to_their_noun(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "To the left of the globe is an hourglass. | hourglass left of globe",
        "Next to the piano there is a cello. | cello next to piano",
        "Positioned above the piano is a mirror. | mirror above piano",
        "Below the bridge and to the left of the tower, a boat floats. | boat below bridge; boat left of tower",
        "A robot stands on a box; to its right a mirror. | robot on box; mirror right of robot",
        "In the top left corner of the picture there is a seagull. | seagull top left",
    ],
)
def test_inverted_clauses_name_the_subject_last(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "The tractor is left of both the barn and the windmill. | tractor left of barn; tractor left of windmill",
        "A candle and a feather lie to the right of a skull. | candle right of skull; feather right of skull",
        "There's a lamp to the left and a plant to the right of the armchair. "
        "| lamp left of armchair; plant right of armchair",
        "The penguin is right of the seal and is below the gull. | penguin right of seal; penguin below gull",
        "An owl above a fox above a mouse. | owl above fox; fox above mouse",
        "A jug to the left of a pan on a stove. | jug left of pan; jug on stove; pan on stove",
        "a vase with roses on a table | vase on table; rose on table",
        "A zebra and a lion next to each other. | zebra next to lion; lion next to zebra",
        "Two dogs to the left of a cat. | dog left of cat; dog left of cat",
    ],
)
def test_coordination(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A drum is flanked by a violin on the left and a guitar on the right. "
        "| violin left of drum; guitar right of drum",
        "A kettle stands between a jar to the left and a candle below it. | jar left of kettle; candle below kettle",
        "The plate has a fork on the left and a knife on the right. | fork left of plate; knife right of plate",
        "To the puppy's right is a basket. | basket right of puppy",
        "A girl with a balloon in her left hand stands to the right of a boy. "
        "| girl right of boy; balloon left of girl",
    ],
)
def test_each_thing_may_have_its_own_place_around_a_topic(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "prompt",
    [
        "From left to right: a cactus, a pumpkin and a balloon.",
        "A cactus, a pumpkin and a balloon are lined up from left to right.",
    ],
)
def test_orders_relate_each_to_the_next(nlp, prompt):
    assert stated(nlp, prompt) == ["cactus left of pumpkin", "pumpkin left of balloon"]


def test_clothes_are_inside_who_wears_them(nlp):
    assert stated(nlp, "a man in a blue coat") == ["coat inside man"]
    assert stated(nlp, "a woman wearing a hat") == ["hat inside woman"]


@pytest.mark.parametrize(
    "prompt",
    ["The car is not to the left of the bus.", "A cart pulled by a donkey.", "a red apple", "", "to the left of"],
)
def test_nothing_is_stated_where_nothing_is_said(nlp, prompt):
    assert stated(nlp, prompt) == []


def test_what_is_held_counts_less_than_what_is_said(nlp):
    prompt = "A nurse holds a cup in her right hand, and the cup is to the left of the nurse."
    assert stated(nlp, prompt) == ["cup left of nurse", "cup right of nurse"]


@pytest.mark.parametrize(
    "line",
    [
        "a cat above a green bus | cat above bus",
        "A lamp is to the left of a desk, with a rug below it. | lamp left of desk; rug below lamp",
        "A hat is on the shelf, which is above the desk. | hat on shelf; shelf above desk",
        "To the left of the globe is an hourglass. | hourglass left of globe",
        "A seagull in the top left corner | seagull top left",
    ],
)
def test_word_lists_do_without_a_model(line):
    nlp = spacy.blank("en")
    nlp.add_pipe(CHUNKER_NAME)
    check(nlp, line)


def test_the_lexicon_speaks_of_known_relations_only():
    known = {"left of", "right of", "above", "below", "on", "inside", "next to", "in front of", "behind", "far from"}
    assert {row.relation for row in SPATIAL_LEXICON} <= known | {"between"} | PICTURE_PLACES.keys()
