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
        "An owl sits on the back of a mule. | owl on mule",
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
        "The stove is on the left side of the kitchen, the sink on the right side. "
        "| stove left; sink right; stove left of sink",
        "A drum lies in the middle of the courtyard. | drum centre",
        "The barn on the left is next to a mill on the right. "
        "| barn left; mill right; barn next to mill; barn left of mill",
        "A kite in the top left corner, a drum in the bottom right corner "
        "| kite top left; drum bottom right; kite left of drum; kite above drum",
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
        "A robot stands in the middle. To his left there is a drum. | robot centre; drum left of robot",
        "A poodle lies by a stove with a ball to his right. | poodle next to stove; ball right of poodle",
        "A queen is on a throne. A monk kneels with a harp to her left. | queen on throne; harp left of monk",
        "A nun stands in front of a queen, with a lute beside her and a harp behind her. "
        "| nun in front of queen; lute next to nun; harp behind nun",
        "The harp is left of the lute, and a drum stood to the right of both. "
        "| harp left of lute; drum right of harp; drum right of lute",
        "The harp and the lute are on the rug, and a lamp hangs above them both. "
        "| harp on rug; lute on rug; lamp above harp; lamp above lute",
        "With the kettle to its left, the jug stood below the shelf. | kettle left of jug; jug below shelf",
        "A red wagon, a blue cart to its right | cart right of wagon",
        "The harp, the lute to its left and the drum are above the rug. "
        "| lute left of harp; harp above rug; lute above rug; drum above rug",
        "The tractor was overtaken by the scooter on its right. | scooter right of tractor",
        "The monk leads a mule on his right while a bell is tied to a post on his left. "
        "| mule right of monk; bell left of monk",
    ],
)
def test_pronouns_fall_back_to_what_is_there(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "The nurse holding a jug stands to the left of the piano. | nurse left of piano",
        "The boy with the blue kite is above the barrel. | boy above barrel",
        "A monkey with a drum sits to the right of a goat. | monkey right of goat",
        "The basket with eggs and apples is below the lantern. | basket below lantern",
        "The owl that caught the frog is above the barn. | owl above barn",
        "A pair of boots stands beneath the bench. | boots below bench",
        "The drone flew through the gate above the wagon. | drone above wagon",
        "A vase filled with tulips standing on a piano | tulip inside vase; vase on piano",
    ],
)
def test_what_only_describes_the_subject_is_not_placed(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A hat is on the shelf, which is above the desk. | hat on shelf; shelf above desk",
        "A ship sails below a bridge, on which a tram drives. | ship below bridge; tram on bridge",
        "The pig lay under the oak, to the left of which a mule was grazing. | pig below oak; mule left of oak",
        "A whale is below a ship, which is in turn below a helicopter. | whale below ship; ship below helicopter",
        "The monkey, which holds a coconut, is above the crocodile. | monkey above crocodile",
        "The monkey, holding a coconut, is to the left of the parrot. | monkey left of parrot",
        "A cup and a plate, both of which are below the lamp | cup below lamp; plate below lamp",
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
        "Nestled between the harp and the lute sits a drum. | drum between harp lute",
        "Between the harp and the lute, a drum stands. | drum between harp lute",
        "Above the desk and the stool hangs a lantern. | lantern above desk; lantern above stool",
        "To the right of the barn and the well is a tractor. | tractor right of barn; tractor right of well",
        "Right below the clock, and above the desk, is a mirror. | mirror below clock; mirror above desk",
        "Under the desk, beside a drum, sleeps a goat. | goat below desk; goat next to drum",
        "To the right of the barn is a tractor and a mule. | tractor right of barn; mule right of barn",
        "To the left of the painting is a lantern. | lantern left of painting",
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
        "The jug is placed between the lemon and the melon on the tray. "
        "| jug between lemon melon; jug on tray; melon on tray",
        "A drum is between two lutes on a rug. | drum between lute lute; drum on rug; lute on rug; lute on rug",
        "The jug is above and to the left of the pan. | jug above pan; jug left of pan",
        "The jug is left and above the pan. | jug left of pan; jug above pan",
        "The goat is below, not above, the owl. | goat below owl",
        "The goat is neither above nor below the owl but to the left of it. | goat left of owl",
        "The jug is to the left of the pan, the lemon is to the right, and the spoon is above. "
        "| jug left of pan; lemon right of pan; spoon above pan",
        "A wagon is left of a barn, with a mule on the other side of it. | wagon left of barn; mule right of barn",
        "A goat is left of an owl sitting left of a mule. | goat left of owl; owl left of mule",
        "a lemon in a basket on a stool | lemon inside basket; basket on stool",
        "A nurse in a red coat stands to the right of a monk in a black hat. "
        "| coat inside nurse; nurse right of monk; hat inside monk",
        "A goat wearing a hat is above a poodle wearing a scarf. "
        "| hat inside goat; goat above poodle; scarf inside poodle",
        "A monk is above a nurse riding a mule. | monk above nurse; nurse on mule",
        "A harp on the left, a lute on the right, and a drum in between. "
        "| harp left; lute right; drum between lute harp; harp left of lute; harp left of drum; drum left of lute",
        "a sandwich with ham and lettuce on a tray | sandwich on tray; ham on tray; lettuce on tray",
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
        "The nurse holding a jug stands to the left of the piano. | nurse left of piano",
        "The boy with the blue kite is above the barrel. | boy above barrel",
        "Above the desk and the stool hangs a lantern. | lantern above desk; lantern above stool",
        "The jug is above and to the left of the pan. | jug above pan; jug left of pan",
    ],
)
def test_word_lists_do_without_a_model(line):
    nlp = spacy.blank("en")
    nlp.add_pipe(CHUNKER_NAME)
    check(nlp, line)


def test_the_lexicon_speaks_of_known_relations_only():
    known = {"left of", "right of", "above", "below", "on", "inside", "next to", "in front of", "behind", "far from"}
    assert {row.relation for row in SPATIAL_LEXICON} <= known | {"between", "opposite"} | PICTURE_PLACES.keys()
