"""From a prompt to boxes."""

import pytest
from growth import growth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacetime_attn.layout.boxes import arrange_boxes
from spacetime_attn.layout.files import encodable
from spacetime_attn.layout.reader_model import ReaderNetwork
from spacetime_attn.layout.regions import Layout, Relation
from spacetime_attn.layout.rules import RuleLayoutPredictor
from spacetime_attn.layout.solver import consistent_relations


@pytest.fixture(scope="module")
def predictor():
    return RuleLayoutPredictor()


def center(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(a, b):
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (area(a) + area(b) - common)


def offset(a, b):
    (ax, ay), (bx, by) = center(a), center(b)
    return bx - ax, by - ay


def is_inside_canvas(box):
    return 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1


def boxes_of(layout):
    return [region.box for region in layout.regions]


def test_a_layout_holds_phrases_boxes_relations_and_the_prompt(predictor):
    layout = predictor("A silver kettle is to the right of a white jug.")
    assert isinstance(layout, Layout)
    assert layout.phrases == ["A silver kettle", "a white jug"]
    assert layout.relations == (Relation(0, "right of", 1),)
    assert layout.prompt == "A silver kettle is to the right of a white jug."


@pytest.mark.parametrize(
    "relation, axis, sign", [("left of", 0, 1), ("right of", 0, -1), ("above", 1, 1), ("below", 1, -1)]
)
def test_directions_show_on_their_axis_and_without_overlap(relation, axis, sign):
    first, second = arrange_boxes(["jug", "pan"], [Relation(0, relation, 1)])
    distance = offset(first, second)
    assert sign * distance[axis] >= 0.45  # regions nearer than that tend to fuse
    assert distance[1 - axis] == pytest.approx(0)
    assert overlap(first, second) == 0


def test_what_is_inside_lies_in_its_container():
    fish, bowl = arrange_boxes(["fish", "bowl"], [Relation(0, "inside", 1)])
    assert bowl[0] < fish[0] < fish[2] < bowl[2] and bowl[1] < fish[1] < fish[3] < bowl[3]


def test_each_container_holds_its_content_where_it_stands():
    relations = [r for n in range(4) for r in (Relation(4 + n, "inside", n), Relation(n, "on", 8))]
    boxes = arrange_boxes(["glass"] * 4 + ["milk"] * 4 + ["tray"], relations)
    glasses, contents, tray = boxes[:4], boxes[4:8], boxes[8]
    assert all(overlap(a, b) == 0 for i, a in enumerate(glasses) for b in glasses[:i])
    for glass, milk in zip(glasses, contents, strict=True):
        assert glass[0] < milk[0] < milk[2] < glass[2] and glass[1] < milk[1] < milk[3] < glass[3]
        assert center(glass)[1] < center(tray)[1]


def test_things_inside_one_another_in_a_circle_are_still_placed():
    circle = [Relation(0, "inside", 1), Relation(1, "inside", 0)]
    assert all(is_inside_canvas(box) for box in arrange_boxes(["box", "bag"], circle))


def test_boxes_within_boxes_never_vanish():
    nested = [Relation(index, "inside", index + 1) for index in range(15)]
    assert all(is_inside_canvas(box) for box in arrange_boxes(["raft"] * 16, nested))


def test_what_is_on_something_touches_it():
    cat, mat = arrange_boxes(["cat", "mat"], [Relation(0, "on", 1)])
    assert cat[3] == pytest.approx(mat[1], abs=1e-3)
    assert overlap(cat, mat) < 0.1


def test_a_support_reaches_below_all_that_is_on_it(predictor):
    first, second, table = boxes_of(predictor("A jug and a pan on a table."))
    assert table[0] <= min(first[0], second[0]) and table[2] >= max(first[2], second[2])


def test_between_is_between():
    lamp, sofa, piano = arrange_boxes(["lamp", "sofa", "piano"], [Relation(0, "between", 1, 2)])
    assert sofa[2] <= lamp[0] and lamp[2] <= piano[0]


@pytest.mark.parametrize(
    "relation", [Relation(2, "left of", 0), Relation(0, "left of", 1), Relation(2, "left of", 1), Relation(2, "left")]
)
def test_between_follows_what_is_said_of_any_of_the_three(relation):
    lamp, sofa, piano = arrange_boxes(["lamp", "sofa", "piano"], [Relation(0, "between", 1, 2), relation])
    assert piano[2] <= lamp[0] and lamp[2] <= sofa[0]


def test_rows_make_a_grid(predictor):
    boxes = boxes_of(predictor("Top row: a jug, a pan. Middle row: a goat, a mule. Bottom row: an owl, a hen."))
    centers = [center(box) for box in boxes]
    assert all(centers[k] == (centers[k % 2][0], centers[k // 2 * 2][1]) for k in range(6))
    assert centers[0][0] < centers[1][0] and centers[0][1] < centers[2][1] < centers[4][1]


def test_far_is_farther_than_near():
    near = arrange_boxes(["a", "b", "c"], [Relation(0, "next to", 1)])
    far = arrange_boxes(["a", "b", "c"], [Relation(0, "far from", 1)])
    distance = [max(map(abs, offset(boxes[0], boxes[1]))) for boxes in (near, far)]
    assert distance[0] < distance[1]


@pytest.mark.parametrize(
    "place, column, row",
    [("left", -1, 0), ("right", 1, 0), ("top", 0, -1), ("bottom", 0, 1), ("top right", 1, -1), ("centre", 0, 0)],
)
def test_a_single_object_goes_to_its_place_in_the_picture(place, column, row):
    x, y = center(arrange_boxes(["kite"], [Relation(0, place)])[0])
    assert (x - 0.5) * column > 0.2 if column else x == pytest.approx(0.5)
    assert (y - 0.5) * row > 0.2 if row else y == pytest.approx(0.5)


def test_what_is_in_the_centre_stays_there_with_something_beside_it():
    fox, hen = arrange_boxes(["fox", "hen"], [Relation(0, "centre"), Relation(1, "left of", 0)])
    assert center(fox) == pytest.approx((0.5, 0.5))
    assert hen[2] <= fox[0]


def test_things_without_relations_do_not_overlap(predictor):
    boxes = boxes_of(predictor("a drum, a flute, a harp, a horn and a banjo"))
    assert len(boxes) == 5
    assert all(overlap(a, b) == 0 for n, a in enumerate(boxes) for b in boxes[:n])


def test_instances_stand_side_by_side(predictor):
    first, second, goat = boxes_of(predictor("Two lanterns are to the left of a goat."))
    assert overlap(first, second) == 0
    assert offset(first, goat)[0] > 0 and offset(second, goat)[0] > 0


def test_of_contradicting_relations_the_first_wins():
    boxes = arrange_boxes(["jug", "pan"], [Relation(0, "left of", 1), Relation(0, "right of", 1)])
    assert offset(*boxes)[0] > 0
    circle = [Relation(0, "above", 1), Relation(1, "above", 2), Relation(2, "above", 0)]
    assert consistent_relations(circle) == circle[:2]


def test_chains_keep_their_order(predictor):
    boxes = boxes_of(predictor("From left to right: a cactus, a pumpkin, a kite and a balloon."))
    columns = [center(box)[0] for box in boxes]
    assert columns == sorted(columns) and len(set(columns)) == 4


def test_the_same_prompt_gives_the_same_layout(predictor):
    prompt = "A lamp is above a desk, a chair is left of it, and three books lie on a shelf."
    assert predictor(prompt).to_dict() == RuleLayoutPredictor()(prompt).to_dict()


def test_values_are_rounded_to_four_decimals(predictor):
    boxes = boxes_of(predictor("a drum, a flute, a harp, a horn, a bell, a gong and a banjo"))
    assert all(value == round(value, 4) for box in boxes for value in box)


@pytest.mark.parametrize("aspect_ratio", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_boxes_suit_the_shape_of_the_picture(predictor, aspect_ratio):
    layout = predictor("a drum left of a bell", aspect_ratio=aspect_ratio)
    first, second = boxes_of(layout)
    assert is_inside_canvas(first) and is_inside_canvas(second) and offset(first, second)[0] > 0
    width, height = (first[2] - first[0]) * aspect_ratio, first[3] - first[1]
    assert 1 / 3 < width / height < 3


@pytest.mark.parametrize("prompt", ["", "a foggy morning in the mountain air", "on the left", "?!"])
def test_without_objects_the_layout_is_empty(predictor, prompt):
    assert len(predictor(prompt)) == 0


def test_a_spacy_pipeline_can_be_given():
    import spacy

    assert RuleLayoutPredictor(spacy.blank("en"))("a cat above a green bus").phrases == ["a cat", "a green bus"]


def test_an_unknown_spacy_pipeline_is_named_with_the_remedy():
    with pytest.raises(ValueError, match="en_no_such_model.*spacy download"):
        RuleLayoutPredictor("en_no_such_model")("a cat")


@pytest.mark.parametrize("prompt", [None, 3, ["a cat"]])
def test_a_prompt_has_to_be_a_string(predictor, prompt):
    with pytest.raises(TypeError, match="`prompt`"):
        predictor(prompt)


@pytest.mark.parametrize("aspect_ratio", [0, -1, float("inf"), float("nan")])
def test_the_aspect_ratio_has_to_be_positive(predictor, aspect_ratio):
    with pytest.raises(ValueError, match="`aspect_ratio`"):
        predictor("a cat", aspect_ratio=aspect_ratio)


PROMPTS_OF_ALL_KINDS = [
    "a cat",
    "two red apples, a bowl, 8k, highly detailed, trending",
    "A lamp is above a desk, a chair is to the left of it, a cat sits on the chair and a dog lies under it.",
    "From left to right: a drum, a flute, a harp, a horn, a bell, a gong and a banjo.",
    "A baker who wears a tall white hat carries three loaves of bread past a shop window, while a small brown dog"
    " follows her and an old man on a bench, with a newspaper on his knees, watches them from across the street.",
    ", ".join(f"a {colour} {thing}" for colour in ("red", "blue", "green") for thing in ("jug", "pan", "cup", "jar")),
]


@pytest.mark.parametrize("prompt", PROMPTS_OF_ALL_KINDS)
def test_a_prompt_is_read_in_one_pass_of_the_network(predictor, monkeypatch, prompt):
    passes, encode = [], ReaderNetwork.encode
    monkeypatch.setattr(ReaderNetwork, "encode", lambda self, ids: passes.append(ids.shape) or encode(self, ids))
    predictor(prompt)
    assert [rows for rows, _ in passes] == [1]


# --- whatever the text -------------------------------------------------------------------------------------------
WORDS = (
    "a an the two three cat dogs red box to left right of above below on in between and with it its them which is "
    "while , . ; : ! ' \" ( ) - 's top corner picture from each other both not no 🐱 🚗 שלום مرحبا ２ é \n"
).split(" ")
any_text = st.one_of(
    st.text(max_size=200),
    st.text(alphabet=st.characters(categories=["Cs", "L", "P", "Z"]), max_size=60),  # with lone surrogates
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map("".join),
    st.text(alphabet="🐱🚗👩‍👩‍👧 \u200f\u202eשלוםمرحبا", max_size=60),
    st.text(alphabet=".,;:!?-'\"()[]…—/\\&", max_size=200),
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(prompt=any_text, aspect_ratio=st.sampled_from([0.5, 1.0, 1.7]))
def test_no_text_breaks_it_and_every_box_is_inside_the_picture(predictor, prompt, aspect_ratio):
    layout = predictor(prompt, aspect_ratio=aspect_ratio)
    assert layout.prompt == encodable(prompt)
    assert all(is_inside_canvas(box) for box in boxes_of(layout))
    assert Layout.from_dict(layout.to_dict()).to_dict() == layout.to_dict()


def test_half_a_character_is_read_over(predictor):
    assert predictor("a cat, \ud800 a dog").phrases == ["a cat", "a dog"]


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(piece=any_text.filter(bool))
def test_ten_thousand_characters_are_no_trouble(predictor, piece):
    prompt = (piece * (10_000 // len(piece) + 1))[:10_000]
    assert all(is_inside_canvas(box) for box in boxes_of(predictor(prompt)))


@pytest.mark.parametrize(
    "piece",
    ["A drum is left of a bell and above it. ", "two cups of tea. ", "inside a box ", "dog,", "a-", "!?.,", "_"],
)
def test_the_time_is_linear_in_the_length_of_the_prompt(predictor, piece):
    prompt = piece * 10_000
    assert growth(predictor, prompt[:500], prompt[:4_000]) < 24  # and 64 if it were quadratic


relation_names = st.sampled_from(
    ["left of", "right of", "above", "below", "on", "inside", "next to", "behind", "far from"]
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_relations_give_boxes_inside_the_picture(data):
    count = data.draw(st.integers(1, 7))
    index = st.integers(0, count - 1)
    relations = data.draw(st.lists(st.builds(Relation, index, relation_names, index), max_size=8))
    relations = [relation for relation in relations if relation.subject != relation.object]
    assert all(is_inside_canvas(box) for box in arrange_boxes(["thing"] * count, relations))
