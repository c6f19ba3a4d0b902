"""What prompts say: shares of sentences that are read right, and what becomes of a reading, whoever reads."""

import json
import re
import string
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import pytest
import spacy
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from spacetime_attn.layout import language
from spacetime_attn.layout.language import read_prompt
from spacetime_attn.layout.objects import LONGEST_DESCRIPTION, MOST_INSTANCES, objects_of
from spacetime_attn.layout.reader import _LATER, OVERLAP, WINDOW, Reader, ReaderSettings, _Decoder, _Mention
from spacetime_attn.layout.reader_model import LINKS, PAIR_CLASSES, MentionScores, ReaderConfig, ReaderNetwork
from spacetime_attn.layout.reading import Entity, Reading, Statement
from spacetime_attn.layout.regions import Relation
from spacetime_attn.layout.vocabulary import ARRANGEMENTS, KINDS, OPPOSITES, PLACES, RELATIONS
from spacetime_attn.layout.words import head_and_modifiers, one_of


# Shares that the reader reaches at least: of the prompts of sentences.jsonl, those of which all phrases, or all
# relations, are read and no others; of what constructions.jsonl names, objects, relations and counts.
FLOORS = {"phrases": 0.83, "relations": 0.66, "objects": 0.97, "stated": 0.90, "counts": 0.97}


# --- Shares -------------------------------------------------------------------------------------------------------


def lines_of(name):
    return [json.loads(line) for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()]


SENTENCES, CONSTRUCTIONS = lines_of("sentences.jsonl"), lines_of("constructions.jsonl")
_STATEMENT = re.compile(rf"(.+?) ({'|'.join(sorted((*RELATIONS, *PLACES), key=len, reverse=True))})(?: (.+))?")


@cache
def objects_in(prompt):
    return objects_of(read_prompt(prompt))


def bare(phrase):
    """A phrase in small letters, without its article."""
    return re.sub(r"^(a|an|the) (?=.)", "", phrase.lower())


def statement(subject, relation, *ends):
    """The same for "a cat left of a dog" and "a dog right of a cat"."""
    subject, *ends = map(bare, (subject, *ends))
    if ends and relation in OPPOSITES:
        return min((subject, relation, *ends), (*ends, OPPOSITES[relation], subject))
    return (subject, relation, *sorted(ends))


def as_statement(text):
    """ "a cat left of a dog", "a kite top left", "a cup between a jug and a pan"."""
    subject, relation, ends = _STATEMENT.fullmatch(text).groups()
    return statement(
        subject, relation, *((ends or "").split(" and ") if relation == "between" else filter(None, [ends]))
    )


def statements_in(prompt):
    things, relations = objects_in(prompt)
    ends = ([r.subject, r.object, r.second_object] for r in relations)
    named = ([things[index].phrase for index in indices if index is not None] for indices in ends)
    return {statement(subject, r.relation, *others) for r, (subject, *others) in zip(relations, named)}


def check_share(name, outcomes):
    """Fails below the floor with all that is read wrong: `outcomes` are pairs of what was asked and what is wrong."""
    wrong = [f"{asked} -> {error}" for asked, error in outcomes if error]
    share = 1 - len(wrong) / len(outcomes)
    assert share >= FLOORS[name], f"{name}: {share:.1%} of {len(outcomes)} are right\n" + "\n".join(wrong)


def test_sentences_are_read_for_their_things():
    outcomes = []
    for sentence in (s for s in SENTENCES if s["phrases"] is not None):
        found = Counter(bare(thing.phrase) for thing in objects_in(sentence["prompt"])[0])
        wrong = "" if found == Counter(map(bare, sentence["phrases"])) else f"found {sorted(found.elements())}"
        outcomes.append((sentence["prompt"], wrong))
    check_share("phrases", outcomes)


def test_sentences_are_read_for_their_relations():
    outcomes = []
    for sentence in (s for s in SENTENCES if s["relations"] is not None):
        found, stated = statements_in(sentence["prompt"]), set(map(as_statement, sentence["relations"]))
        outcomes.append((sentence["prompt"], found ^ stated and f"missing {stated - found}, wrong {found - stated}"))
    check_share("relations", outcomes)


def called(name, things):
    """The things of this head noun; those of them with its modifiers, if there are such."""
    head, modifiers = head_and_modifiers(name)
    same = [index for index, thing in enumerate(things) if thing.head == head]
    return [index for index in same if modifiers <= things[index].modifiers] or same


def pairs_said(relations):
    """Relations of two: what is on is above, what is between is next to, and each relation the other way round."""
    pairs = set()
    for r in (r for r in relations if r.object is not None):
        name = {"on": "above", "between": "next to", "touching": "next to"}.get(r.relation, r.relation)
        for other in {r.object, r.second_object} - {None}:
            pairs.add((r.subject, name, other))
            if r.relation == "inside":
                pairs.add((other, "contains", r.subject))
            elif name in OPPOSITES:
                pairs.add((other, OPPOSITES[name], r.subject))
    return pairs


def test_constructions_are_read():
    outcomes = {"objects": [], "stated": [], "counts": []}
    for construction in CONSTRUCTIONS:
        prompt = construction["prompt"]
        things, relations = objects_in(prompt)
        said = pairs_said(relations)
        for name in construction["objects"]:
            outcomes["objects"].append((prompt, "" if called(name, things) else f"no {name}"))
        for name, count in construction.get("counts", {}).items():
            found = len(called(name, things))
            outcomes["counts"].append((prompt, found != count and f"{found} {name}"))
        for asked in construction["relations"]:
            subjects, landmarks = called(asked["subject"], things), called(asked["object"], things)
            relation = {"on": "above"}.get(asked["relation"], asked["relation"])
            holds = any((a, relation, b) in said for a in subjects for b in landmarks)
            outcomes["stated"].append((prompt, "" if holds else "not " + " ".join(asked.values())))
    for name, pairs in outcomes.items():
        check_share(name, pairs)


@pytest.mark.parametrize(
    "prompt, things",
    [
        (
            "a blue cat on the left side of the pink umbrella, while the blue bird is standing above the pink "
            "umbrella, while the green cup is placed below the blue cat",
            ["a blue cat", "the pink umbrella", "the blue bird", "the green cup"],
        ),
        (
            "The pink airplane is standing, with a cake lying below it, while the pink bus is beneath the airplane.",
            ["The pink airplane", "a cake", "the pink bus"],
        ),
        (
            "The red cup is left of the green cup, and a spoon rests on the red one.",
            ["The red cup", "the green cup", "a spoon"],
        ),
        ("A grey spaniel lies on a rug. To the left of the dog is a shoe.", ["A grey spaniel", "a rug", "a shoe"]),
        ("A brown dog lies on a rug. To the left of the brown animal is a bowl.", ["A brown dog", "a rug", "a bowl"]),
        ("A young woman sits on a bench. The young lady holds a kite.", ["A young woman", "a bench", "a kite"]),
    ],
)
def test_an_adjective_comes_again_with_another_noun_of_another_thing_or_of_the_same(prompt, things):
    assert [thing.phrase for thing in objects_in(prompt)[0]] == things


@pytest.mark.parametrize(
    "prompt, things",
    [
        (r"masterpiece, saber \(fate\), sitting on bench", ["saber", "bench"]),
        (r"emilia \(re:zero\) left of 2b \(nier:automata\)", ["emilia", "2b"]),
        (r"lucy \(cyberpunk\) standing, dragon behind her", ["lucy", "dragon"]),
    ],
)
def test_names_with_brackets_stay_whole_or_without_them(prompt, things):
    found = [thing.phrase for thing in objects_in(prompt)[0]]
    assert [phrase.split(" (")[0] for phrase in found] == things
    assert all(phrase.count("(") == phrase.count(")") for phrase in found)


def test_a_relation_is_read_nine_thousand_characters_into_a_text():
    prompt = "The weather is fine today and nobody minds. " * 210 + "A cat is to the left of a dog."
    assert len(prompt) > 9000
    assert ("cat", "left of", "dog") in statements_in(prompt)


# --- Noun phrases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phrase, head, modifiers",
    [
        ("The silver bed", "bed", {"silver"}),
        ("two small dogs", "dog", {"small"}),
        ("a cup of tea", "cup", {"tea"}),
        ("a flock of birds", "bird", {"flock"}),
        ("two of the birds", "bird", set()),
        ("1girl", "girl", set()),
        ("a 3D printer", "printer", set()),
        ("<cat-toy>", "cat-toy", set()),
        ("?!", "?!", set()),
    ],
)
def test_a_phrase_has_a_head_and_modifiers(phrase, head, modifiers):
    assert head_and_modifiers(phrase) == (head, modifiers)


@pytest.mark.parametrize(
    "several, one",
    [
        ("two black dogs", "a black dog"),
        ("5 old candles", "an old candle"),
        ("The three men", "a man"),
        ("both of the chairs", "a chair"),
        ("a dozen eggs", "an egg"),
        ("half a dozen eggs", "an egg"),
        ("twenty eggs", "an egg"),
        ("the first two owls", "an owl"),
        ("2boys", "a boy"),
        ("two scissors", "a pair of scissors"),
        ("two pairs of skis", "a pair of skis"),
        ("four glasses of milk", "a glass of milk"),
        ("two slices of pizza", "a slice of pizza"),
        ("two flocks of birds", "a flock of birds"),
        ("a group of three women", "a woman"),
        ("two rows of two red cups", "a red cup"),
        ("two bar stools", "a bar stool"),
        ("two half eaten pies", "a half eaten pie"),
        ("two three-legged chairs", "a three-legged chair"),
        ("two uninhabited islands", "an uninhabited island"),
        ("two unicorns", "a unicorn"),
        ("three octopuses", "an octopus"),
        ("two crocuses", "a crocus"),
        ("two geniuses", "a genius"),
        ("two houses", "a house"),
        ("two pop quizzes", "a pop quiz"),
        ("two", "a two"),
        ("", ""),
    ],
)
def test_one_of_several_has_a_name(several, one):
    assert one_of(several) == one


# --- From a reading to things -------------------------------------------------------------------------------------


def some(phrase, kind="object", count=1, arrangement=None):
    """An entity that has no place in a prompt yet."""
    return Entity(phrase, 0, 0, *head_and_modifiers(phrase), kind, count, arrangement=arrangement)


def reading(*entities, said=(), links=()):
    """The reading of a prompt that lists the entities; statements are tuples of indices and a name."""
    placed, start = [], 0
    for entity in (some(entity) if isinstance(entity, str) else entity for entity in entities):
        end = start + len(entity.phrase)
        placed.append(replace(entity, start=start, end=end, mentions=((start, end),)))
        start = end + 2
    prompt = ", ".join(entity.phrase for entity in placed)
    return Reading(prompt, tuple(placed), tuple(Statement(*s) for s in said), tuple(Statement(*s) for s in links))


def phrases(*args, **kwargs):
    return [thing.phrase for thing in objects_of(reading(*args, **kwargs))[0]]


def descriptions(*args, **kwargs):
    return [thing.description for thing in objects_of(reading(*args, **kwargs))[0]]


def told(*args, **kwargs):
    return objects_of(reading(*args, **kwargs))[1]


def test_every_counted_thing_has_a_region():
    things, _ = objects_of(reading("a jug", some("two black dogs", count=2)))
    assert [thing.phrase for thing in things] == ["a jug", "a black dog", "a black dog"]
    assert [(thing.start, thing.end) for thing in things] == [(0, 5), (7, 21), (7, 21)]
    assert (things[1].head, things[1].modifiers) == ("dog", {"black"})


def test_large_counts_stay_one_region():
    assert phrases(some("twelve eggs", count=MOST_INSTANCES)) == ["an egg"] * 12
    assert phrases(some("13 eggs", count=MOST_INSTANCES + 1)) == ["13 eggs"]
    assert phrases(some("20 eggs", count=20), "one", links=[(1, "member", 0)]) == ["an egg", "20 eggs"]


def test_what_is_said_of_several_is_said_of_each():
    assert told(some("two dogs", count=2), "a cat", said=[(0, "left of", 1)]) == [
        Relation(0, "left of", 2),
        Relation(1, "left of", 2),
    ]


@pytest.mark.parametrize("relation", ["on", "inside"])
def test_several_things_in_several_others_are_spread_over_these(relation):
    cats, boxes = some("three cats", count=3), some("two boxes", count=2)
    assert told(cats, boxes, said=[(0, relation, 1)]) == [
        Relation(0, relation, 3),
        Relation(1, relation, 4),
        Relation(2, relation, 3),
    ]


@pytest.mark.parametrize("kind", ["place", "stuff"])
def test_places_and_masses_have_a_region_where_the_prompt_places_them(kind):
    city = some("the city", kind)
    assert phrases("a kite", city) == ["a kite"]
    assert phrases("a kite", city, said=[(0, "above", 1)]) == ["a kite", "the city"]
    assert phrases("a kite", city, said=[(1, "bottom")]) == ["a kite", "the city"]


@pytest.mark.parametrize("kind", ["shown", "absent"])
def test_what_is_shown_or_absent_never_has_a_region(kind):
    assert phrases("a mug", some("a dragon", kind), said=[(1, "on", 0), (1, "left")]) == ["a mug"]
    assert phrases(some("two mugs", count=2), some("one", kind), links=[(1, "member", 0)]) == ["a mug", "a mug"]
    assert phrases(some("a dragon", kind), some("the lake", "place"), said=[(0, "next to", 1)]) == []


def test_what_is_said_of_parts_and_clothes_is_said_of_their_owner():
    said = [(3, "above", 1), (3, "left")]
    links = [(1, "of", 0), (2, "of", 0), (3, "of", 2)]
    man, roof, coat, badge = "a man", some("his head", "part"), some("a coat", "worn"), some("a badge", "part")
    assert told(man, roof, coat, badge, said=said, links=links) == [Relation(0, "left")]
    said = [(4, "on", 1), (2, "right of", 4)]
    assert told(man, roof, coat, badge, "a raven", said=said, links=links) == [
        Relation(1, "on", 0),
        Relation(0, "right of", 1),
    ]


def test_what_is_said_of_parts_of_nobody_is_said_of_the_object_before_them():
    entities = "flowers", "buds", some("the stems", "part"), "trees"
    found = told(*entities, said=[(1, "on", 2), (2, "in front of", 3)])
    assert found == [Relation(1, "in front of", 2)]  # the trees are the third thing


def test_parts_of_one_owner_state_nothing_of_how_things_stand():
    hands, knees = some("their hands", "part"), some("their knees", "part")
    links = [(1, "of", 0), (2, "of", 0)]
    assert told(some("two men", count=2), hands, knees, said=[(1, "on", 2)], links=links) == []


def test_parts_of_nobody_are_things_where_nothing_was_named_before_them():
    hand = some("A hand", "part")
    assert phrases(hand, "an apple", said=[(0, "above", 1)]) == ["A hand", "an apple"]
    assert phrases("an apple", hand) == ["an apple"]
    assert phrases(hand, "a man", links=[(0, "of", 1)]) == ["a man"]


def test_a_description_has_what_belongs_to_a_thing():
    hair, coat, hat = some("his black hair", "part"), some("a red coat", "worn"), some("the hat", "worn")
    links = [(1, "of", 0), (2, "of", 0), (3, "of", 0)]
    assert descriptions("a man", coat, hat, hair, "a dog", links=links) == [
        "a man with black hair in a red coat and hat",
        None,
    ]


@pytest.mark.parametrize(
    "kind, part, description",
    [
        ("part", "his shoulder", None),
        ("part", "his left shoulder", None),
        ("part", "his broad shoulder", "a man with broad shoulder"),
        ("worn", "his hat", "a man in hat"),
    ],
)
def test_a_part_that_tells_only_where_something_is_does_not_describe(kind, part, description):
    spot = replace(some(part, kind), modifiers=frozenset(part.split()[1:-1]))
    things = descriptions("a man", "a raven", spot, said=[(1, "on", 2)], links=[(2, "of", 0)])
    assert things == [description, None]
    assert descriptions("a man", spot, links=[(1, "of", 0)]) == [description or f"a man with {part[4:]}"]


def test_a_part_that_is_named_before_it_is_a_place_describes():
    things, _ = objects_in("a man with a beard and glasses, a bee on the beard")
    assert [thing.description for thing in things] == ["a man with a beard in glasses", None]


def test_members_of_a_group_have_what_belongs_to_all_of_it():
    coats, scarf = some("green coats", "worn"), some("a scarf", "worn")
    links = [(1, "member", 0), (2, "of", 0), (3, "of", 1)]
    assert descriptions(some("two men", count=2), "the left one", coats, scarf, links=links) == [
        "a man in green coats and a scarf",
        "a man in green coats",
    ]


def test_a_description_has_thirty_words_at_most():
    parts = [some(f"a very long {name} arm", "part") for name in "abcdefgh"]
    (description,) = descriptions("a robot", *parts, links=[(index, "of", 0) for index in range(1, 9)])
    assert description.startswith("a robot with a very long a arm, ") and description.endswith("e arm")
    assert len(description.split()) <= LONGEST_DESCRIPTION


@pytest.mark.parametrize(
    "group, member, name",
    [
        (some("two old knights", count=2), "the left one", "an old knight"),
        (some("two knights", count=2), "the orange one", "an orange knight"),
        (some("two knights", count=2), "One of them", "a knight"),
        (some("two knights", count=2), "one of the knights", "one of the knights"),
        (some("two knights", count=2), "The left knight", "The left knight"),
        (some("three pets", count=3), "a poodle", "a poodle"),
        (some("a flock of gulls"), "another", "a gull"),
        (some("two pairs of skis", count=2), "the other", "a pair of skis"),
    ],
)
def test_a_member_without_a_name_has_that_of_its_group(group, member, name):
    things, _ = objects_of(reading(group, member, links=[(1, "member", 0)]))
    assert (things[0].phrase, things[0].head) == (name, head_and_modifiers(name)[0])


@pytest.mark.parametrize("member, group", [(1, 0), (0, 1)])
def test_members_take_places_of_their_group(member, group):
    entities = {member: some("two of them", count=2), group: some("three goats", count=3)}
    assert phrases(entities[0], entities[1], links=[(member, "member", group)]) == ["a goat"] * 3


def test_members_have_relations_of_their_own_and_those_of_the_group():
    relations = told(
        some("two goats", count=2),
        "one",
        "the other",
        "a tent",
        "a hill",
        said=[(1, "left of", 3), (2, "right of", 3), (0, "in front of", 4)],
        links=[(1, "member", 0), (2, "member", 0)],
    )
    assert relations == [
        Relation(0, "left of", 2),
        Relation(1, "right of", 2),
        Relation(0, "in front of", 3),
        Relation(1, "in front of", 3),
    ]


def test_a_member_is_above_the_others_of_its_group():
    goats = some("three goats", count=3), "one"
    assert told(*goats, said=[(1, "above", 0)], links=[(1, "member", 0)]) == [
        Relation(0, "above", 1),
        Relation(0, "above", 2),
    ]


def test_groups_may_be_members_themselves():
    entities = some("four cups", count=4), some("two of them", count=2), "the red one"
    assert phrases(*entities, links=[(2, "member", 1), (1, "member", 0)]) == ["a red cup", "a cup", "a cup", "a cup"]
    assert phrases(*entities, links=[(1, "member", 0), (0, "member", 1)]) == ["a cup"] * 4 + ["the red one"]


@pytest.mark.parametrize(
    "arrangement, relations",
    [
        ("row", ["0 left of 1", "1 left of 2", "2 left of 3"]),
        ("column", ["0 above 1", "1 above 2", "2 above 3"]),
        ("stack", ["0 on 1", "1 on 2", "2 on 3"]),
        ("grid 2", ["0 left of 1", "2 left of 3", "0 above 2", "1 above 3"]),
        ("corners", ["0 top left", "1 top right", "2 bottom left", "3 bottom right"]),
        ("circle", []),
    ],
)
def test_things_of_a_group_stand_as_they_are_arranged(arrangement, relations):
    found = told(some("four cups", count=4, arrangement=arrangement))
    stated = [r for r in found if r.object is None] or found  # corners imply what is left of what
    assert [f"{r.subject} {r.relation} {'' if r.object is None else r.object}".strip() for r in stated] == relations


def test_every_arrangement_can_be_placed():
    for arrangement in ARRANGEMENTS:
        things, relations = objects_of(reading(some("six cups", count=6, arrangement=arrangement)))
        assert len(things) == 6
        assert all(index in range(6) for r in relations for index in {r.subject, r.object} - {None})


def test_an_unfinished_grid_leaves_cells_free():
    found = told(some("five cups", count=5, arrangement="grid 2"))
    assert Relation(0, "above", 3) in found and Relation(1, "above", 4) in found and len(found) == 5


@pytest.mark.parametrize("arrangement, count", [("corners", 4), ("sides", 2)])
def test_one_on_each_side_or_in_each_corner_is_as_many(arrangement, count):
    assert phrases(some("a lantern", arrangement=arrangement)) == ["a lantern"] * count


def test_both_sides_are_the_left_and_the_right():
    assert told(some("two lamps", count=2, arrangement="sides")) == [
        Relation(0, "left"),
        Relation(1, "right"),
        Relation(0, "left of", 1),
    ]


@pytest.mark.parametrize(
    "member, place, order", [("the middle one", "centre", [1, 0, 2]), ("the right one", "right", [1, 2, 0])]
)
def test_members_with_a_place_have_it_in_their_row(member, place, order):
    row = some("three jugs", count=3, arrangement="row")
    found = told(row, member, said=[(1, place)], links=[(1, "member", 0)])
    assert found == [
        Relation(order[0], "left of", order[1]),
        Relation(order[1], "left of", order[2]),
        Relation(0, place),
    ]


def test_members_with_a_place_leave_the_other_sides_to_the_others():
    lamps = some("two lamps", count=2, arrangement="sides")
    found = told(lamps, "the right one", said=[(1, "right")], links=[(1, "member", 0)])
    assert {Relation(0, "right"), Relation(1, "left")} <= set(found) and Relation(0, "left") not in found


def test_between_things_of_one_group_is_between_two_of_them():
    said = [(0, "between", 1)]
    assert told("a cup", some("two jugs", count=2), said=said) == [Relation(0, "between", 1, 2)]
    assert told("a cup", some("two jugs", count=2), said=[(0, "between", 1, 1)]) == [Relation(0, "between", 1, 2)]
    assert told("a cup", "a jug", said=said) == []
    cups = some("three cups", count=3), "one"
    assert told(*cups, said=[(1, "between", 0)], links=[(1, "member", 0)]) == [Relation(0, "between", 1, 2)]


def test_between_two_things_is_between_each_two_of_them():
    jugs = some("two jugs", count=2)
    assert told("a cup", jugs, "a pan", said=[(0, "between", 1, 2)]) == [
        Relation(0, "between", 1, 3),
        Relation(0, "between", 2, 3),
    ]


def test_places_in_the_picture_imply_how_things_stand_to_each_other():
    assert told("a jug", "a pan", said=[(0, "left"), (1, "right")])[-1] == Relation(0, "left of", 1)


def test_nothing_is_in_an_empty_reading():
    assert objects_of(Reading("")) == ([], [])


# --- Readings as data ---------------------------------------------------------------------------------------------


@pytest.fixture
def full():
    """A reading with a value in every field."""
    dogs, bone = some("two black dogs", count=2, arrangement="row"), some("a bone", "shown")
    made = reading(dogs, "the left one", bone, said=[(1, "left"), (1, "between", 0, 2, 0.5)], links=[(1, "member", 0)])
    mentioned = replace(made.entities[0], mentions=((0, 14), (20, 24)), score=0.75)
    return replace(made, entities=(mentioned, *made.entities[1:]), negative_prompt="cats")


def test_a_reading_is_written_as_json_without_defaults(full):
    assert json.loads(json.dumps(full.to_dict()))["entities"][0]["mentions"] == [[0, 14], [20, 24]]
    assert full.to_dict()["entities"][1].keys() == {"phrase", "start", "end", "head", "modifiers", "mentions"}
    assert full.to_dict()["relations"][0] == {"subject": 1, "relation": "left"}


def test_a_reading_of_some_entities_has_what_is_said_of_these_alone(full):
    kept = full.with_only([1, 0])
    assert [entity.phrase for entity in kept.entities] == ["the left one", "two black dogs"]
    assert kept.relations == (Statement(0, "left"),)  # what is between them and another is gone
    assert kept.links == (Statement(0, "member", 1),)
    assert (kept.prompt, kept.negative_prompt) == (full.prompt, "cats")
    assert full.with_only(range(3)) == full


def test_entities_are_found_by_kind_and_by_link(full):
    assert [entity.phrase for entity in full.of_kind("shown", "absent")] == ["a bone"]
    assert full.linked("member") == {1: [0]}
    assert full.linked("of") == {}


# --- Objects that the caller names --------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch):
    """Reads a prompt as it is told to, and with which objects."""

    def read_as(found, objects):
        nlp = {found.prompt: SimpleNamespace(_=SimpleNamespace(reading=found))}
        monkeypatch.setattr(language, "load_language", lambda nlp_given: nlp.__getitem__)
        return read_prompt(found.prompt, objects=objects)

    return read_as


def test_named_objects_are_the_objects_and_nothing_else_is(read):
    found = reading("a cat", some("a dog", "shown"), some("a tail", "part"), "canon eos", said=[(0, "left of", 1)])
    corrected = read(found, ["dog", "CAT"])
    assert [(entity.phrase, entity.kind) for entity in corrected.entities] == [
        ("a cat", "object"),
        ("a dog", "object"),
        ("a tail", "part"),
    ]
    assert corrected.relations == found.relations


def test_a_named_object_that_was_not_found_is_one_where_it_stands(read):
    found = reading("two cats", "an old mill")
    corrected = read(found.with_only([0]), ["cats", "old mill"])
    assert corrected.entities[1] == Entity("old mill", 13, 21, "mill", frozenset({"old"}), mentions=((13, 21),))


def test_a_name_twice_is_two_objects(read):
    corrected = read(reading("a cat", "a cat", "catnip"), ["cat", "cat"])
    assert [(entity.start, entity.phrase) for entity in corrected.entities] == [(0, "a cat"), (7, "a cat")]


@pytest.mark.parametrize("objects", [["cat", "cat tree"], ["cat tree", "cat"]])
def test_a_name_is_not_looked_for_in_a_longer_one(read, objects):
    corrected = read(reading("a cat tree", "a cat"), objects)
    assert [entity.phrase for entity in corrected.entities] == ["a cat tree", "a cat"]
    with pytest.raises(ValueError, match="'cat', which does not stand"):
        read(reading("a cat tree"), objects)


def test_a_name_may_stand_in_a_longer_one(read):
    corrected = read(reading("a man with a hat", "a dog"), ["a man with a hat", "hat", "dog"])
    assert [entity.phrase for entity in corrected.entities] == ["a man with a hat", "hat", "a dog"]


def test_of_two_names_in_an_object_the_first_is_it(read):
    found = reading("a cup of coffee", "a dog", said=[(0, "left of", 1)])
    corrected = read(found, ["cup", "coffee", "dog"])
    assert [entity.phrase for entity in corrected.entities] == ["a cup of coffee", "coffee", "a dog"]
    assert corrected.relations == (Statement(0, "left of", 2),)


def test_no_named_objects_are_none(read):
    assert read(reading("a cat"), []).entities == ()


@pytest.mark.parametrize("objects, error", [(["bat"], ValueError), ([""], ValueError), ("cat", TypeError)])
def test_named_objects_have_to_stand_in_the_prompt(read, objects, error):
    with pytest.raises(error, match="objects"):
        read(reading("a cat"), objects)


# --- The reader, with a network that knows nothing ----------------------------------------------------------------


LONG_TEXT = "one two three four five six seven eight nine ten " * 40
TEXTS = [
    "A cat is to the left of two dogs, and a bird sits on its head.",
    "cat",
    LONG_TEXT,
    "Ünïcödé 🐱 <tag> don't (well-known) 12.5 %",
    "saber (fate), rem (re:zero) left (of 2b (nier)), ) (cat, the (big (dog",
]


class WatchedNetwork(ReaderNetwork):
    """Keeps the sub-words that it has read."""

    def encode(self, input_ids):
        self.seen = [*getattr(self, "seen", []), input_ids[0].tolist()]
        return super().encode(input_ids)


@pytest.fixture(scope="module")
def tokenizer():
    """WordPiece with letters alone."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,'()<>-%"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    return tokenizer


@pytest.fixture
def reader(tokenizer):
    """A reader with random weights that sees mentions everywhere, many of them later ones, and leaves nothing out."""
    torch.manual_seed(0)
    sizes = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "pair_width": 8, "pair_heads": 2}
    network = WatchedNetwork(ReaderConfig(vocabulary_size=tokenizer.get_vocab_size(), **sizes))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    torch.nn.init.zeros_(network.tags.bias)
    network.tags.bias.data[-2:] = 1.0
    return Reader(network.eval(), tokenizer, ReaderSettings(regions=0.0, relations=0.0))


@pytest.mark.parametrize("count", [1, WINDOW - 2, WINDOW - 1, 600, 1000])
def test_windows_cover_every_sub_word_of_a_text(reader, tokenizer, count):
    text = "".join("abcdefghijk"[n % 11] + " " * (n % 3 == 0) for n in range(count))
    ids = tokenizer.encode(text).ids
    reader.read(text)
    begin, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    assert all(len(seen) <= WINDOW and (seen[0], seen[-1]) == (begin, end) for seen in reader.network.seen)
    read = []
    for seen in reader.network.seen:
        shared = OVERLAP if read else 0
        assert read[len(read) - shared :] == seen[1:-1][:shared]
        read += seen[1:-1][shared:]
    assert read == ids and len(ids) == count


def has_pairs(text):
    """Whether all brackets have their partner."""
    depths = list(accumulate((character == "(") - (character == ")") for character in text))
    return min(depths) >= 0 == depths[-1]


@pytest.mark.parametrize("text", TEXTS)
def test_mentions_are_in_order_and_within_the_text(reader, text):
    found = reader.read(text)
    assert found.prompt == text and found.entities
    starts = [entity.start for entity in found.entities]
    assert starts == sorted(set(starts))
    for entity in found.entities:
        assert entity.phrase == text[entity.start : entity.end]
        assert entity.phrase.strip(string.punctuation) and has_pairs(entity.phrase)
        assert entity.mentions[0] == (entity.start, entity.end)
        assert list(entity.mentions) == sorted(entity.mentions)
        assert all(0 <= start < end <= len(text) for start, end in entity.mentions)
        assert entity.kind in KINDS and entity.count >= 1 and entity.arrangement in (None, *ARRANGEMENTS)


@pytest.mark.parametrize("text", TEXTS)
def test_statements_are_about_entities_and_scores_are_shares(reader, text):
    found = reader.read(text)
    indices = range(len(found.entities))
    for said in (*found.relations, *found.links):
        ends = [end for end in (said.subject, said.object, said.second_object) if end is not None]
        assert len(set(ends)) == len(ends) and all(end in indices for end in ends)
        assert said.relation in (RELATIONS if said.object is not None else PLACES) or said in found.links
    assert {link.relation for link in found.links} <= {"of", "member"}
    assert all(0 <= item.score <= 1 for item in (*found.entities, *found.relations, *found.links))


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_text_is_read_the_same(reader, text):
    assert reader.read(text) == reader.read(text)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_nothing_is_read_where_nothing_is_written(reader, text):
    assert reader.read(text) == Reading(text)


def test_what_is_less_sure_than_the_settings_ask_is_left_out(reader):
    everything = reader.read(LONG_TEXT)
    scores = sorted(entity.score for entity in everything.entities)
    median = scores[len(scores) // 2]
    reader.settings = ReaderSettings(regions=median, relations=0.3)
    found = reader.read(LONG_TEXT)
    assert found.entities == tuple(entity for entity in everything.entities if entity.score >= median)
    assert 0 < len(found.relations) < len(everything.relations)
    assert all(said.score >= 0.3 for said in found.relations)


def test_later_mentions_are_of_things_that_were_mentioned_before(reader):
    assert max(len(entity.mentions) for entity in reader.read(LONG_TEXT).entities) > 1


@pytest.mark.parametrize("relation, things", [("none", 1), ("left of", 2)])
def test_a_thing_is_none_that_it_is_related_to(relation, things):
    text = "The blue cup. The jug is left of the blue cup."
    mentions = [
        _Mention(0, 0, 0, 12, 0, 1.0),
        _Mention(0, 0, 14, 21, _LATER, 0.9),
        _Mention(0, 0, 33, 45, _LATER, 0.9),
    ]
    relations, links = torch.zeros(1, 3, 3, len(PAIR_CLASSES)), torch.full((1, 3, 3, len(LINKS)), -9.0)
    relations[..., 0] = 5.0
    relations[0, 1, 2, PAIR_CLASSES.index(relation)] = 9.0
    links[0, 0, 1:, LINKS.index("same")] = 2.0
    alone = (torch.zeros(1, 3, count) for count in (1, len(PLACES), 1))
    decoder = _Decoder(text, mentions, ReaderSettings(), reach=2)
    decoder.take([0, 1, 2], MentionScores(*alone, relations, links))
    assert [len(entity.mentions) for entity in decoder.reading().entities] == ([3] if things == 1 else [2, 1])


def test_a_component_sets_the_reading_and_spans_by_kind(reader):
    doc = reader(spacy.blank("en")(TEXTS[0]))
    assert doc._.reading == reader.read(TEXTS[0])
    for kind, spans in doc.spans.items():
        assert len(spans) == len(doc._.reading.of_kind(kind)) and {span.label_ for span in spans} == {kind}


def test_a_reader_from_disk_reads_the_same(reader, tmp_path):
    reader.to_disk(tmp_path / "once")
    once = Reader().from_disk(tmp_path / "once")
    once.to_disk(tmp_path / "twice")
    twice = Reader().from_disk(tmp_path / "twice")
    assert once.settings == reader.settings
    assert once.read(TEXTS[0]) == twice.read(TEXTS[0]) != Reading(TEXTS[0])


def test_a_saved_network_keeps_its_weights_to_half_a_step_of_a_byte(reader, tmp_path):
    reader.network.save(tmp_path)
    loaded = ReaderNetwork.load(tmp_path)
    assert loaded.config == reader.network.config and not loaded.training
    for (name, saved), (_, weight) in zip(
        loaded.state_dict().items(), reader.network.state_dict().items(), strict=True
    ):
        step = weight.abs().amax(1, keepdim=True) / 127 if weight.ndim > 1 else torch.zeros(())
        assert ((saved - weight).abs() <= step / 2 + 1e-6).all(), name
