"""Where a prompt says that its objects are."""

import pytest
import spacy

from spacetime_attn.layout.chunker import CHUNKER_NAME
from spacetime_attn.layout.grids import grid_shape
from spacetime_attn.layout.language import load_language
from spacetime_attn.layout.lexicon import CORNERS, SPATIAL_LEXICON
from spacetime_attn.layout.phrases import find_phrases
from spacetime_attn.layout.regions import Relation
from spacetime_attn.layout.relations import find_relations
from spacetime_attn.layout.sides import PICTURE_PLACES


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
    prompt, expected = line.split(" |")
    assert sorted(stated(nlp, prompt)) == sorted(item.strip() for item in expected.split(";") if item.strip())


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
        "On top a hat, in the middle a wig and at the bottom a shoe. "
        "| hat top; wig centre; shoe bottom; hat above wig; hat above shoe; wig above shoe",
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
        "To its left a jug, to its right a pan, a globe stands on a desk. "
        "| jug left of globe; pan right of globe; globe on desk",
        "Above it a kite and below it a drum, an owl flies over a tent. "
        "| kite above owl; drum below owl; owl above tent",
        "Above the jug is a pan, left of it a globe, a drum stands below a kite. "
        "| pan above jug; globe left of jug; drum below kite",
        "Behind her a tent, a nun rides a mule. | tent behind nun; nun on mule",
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
        "The basket with eggs and apples is below the lantern. "
        "| egg inside basket; apple inside basket; basket below lantern",
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
        "a cup of coke on a table | coke inside cup; cup on table",
        "a glass of red wine next to a bottle | wine inside glass; glass next to bottle",
        "a mug of tea left of a bowl of soup | tea inside mug; soup inside bowl; mug left of bowl",
        "A bowl of plums. A spoon lies to its left. | plum inside bowl; spoon left of bowl",
        "A bowl of plums on a stool. The plums are left of a jug. | plum inside bowl; bowl on stool; plum left of jug",
        "a bowl of plums and pears on a stool | plum inside bowl; pear inside bowl; bowl on stool",
        "a cup of tea and cakes | tea inside cup",
        "a bowl of soup and a spoon | soup inside bowl",
        "a bowl with soup and a spoon | soup inside bowl; spoon inside bowl",
        "a plate with a tart and a lamp | tart inside plate",
        "A glass of water with a straw | water inside glass; straw inside glass",
        "a plate with two hot dogs and a cup of coke on a table "
        "| dog inside plate; dog inside plate; coke inside cup; plate on table; cup on table",
        "a vase with tulips to the left of a goat | tulip inside vase; vase left of goat",
        "a jar, which is full of plums, next to a jug | plum inside jar; jar next to jug",
        "a bowl with a spoon next to it | spoon next to bowl",
        "a bowl with soup and a spoon lying beside the bowl | soup inside bowl; spoon next to bowl",
        "a mug with a heart on it | heart on mug",
        "a tray with three plums in a row | plum left of plum; plum left of plum",
        "a box with two kittens | kitten inside box; kitten inside box",
        "a plate with a knife, a bowl with a dog, a mug with a handle | knife inside plate",
        "a bowl with a man, a cart with a horse, a basket with his dog |",
        "a woman in glasses with a book | glasses inside woman",
        "a vase with tulips and leaves on a stool | tulip inside vase; leaf inside vase; vase on stool",
        "The bowl with the spoon is left of the bowl with the fork. "
        "| spoon inside bowl; fork inside bowl; bowl left of bowl",
        "a bowl with a spoon that lies beside it | spoon next to bowl",
        "The left one of two glasses is filled with tea. | tea inside glass; glass left of glass",
        "a batter at home plate with a glove |",
    ],
)
def test_what_is_with_or_of_a_container_is_inside(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "prompt, pairs",
    [
        ("three mugs of tea", {(3, 0), (4, 1), (5, 2)}),
        ("Three mugs are filled with tea.", {(3, 0), (4, 1), (5, 2)}),
        ("two baskets contain plums", {(2, 0), (3, 1)}),
        ("two bowls with two plums", {(2, 0), (3, 1)}),
        ("two bowls with three plums", set()),
        ("a blue and a white glass of milk", {(2, 0), (3, 1)}),
        ("two cats in two boxes", {(0, 2), (1, 3)}),
        ("a cat in two boxes", set()),
        ("three cats in two boxes", {(0, 3), (1, 4), (2, 3)}),
        ("roses in two vases", {(0, 1)}),
        ("a mug of tea and a mug of tea", {(1, 0), (3, 2)}),
        ("a mug of tea and a mug filled with tea", {(1, 0), (3, 2)}),
        ("two mugs and a bowl filled with rice", {(3, 2)}),
    ],
)
def test_each_of_several_containers_has_its_own_content(nlp, prompt, pairs):
    doc = nlp(prompt)
    relations = find_relations(doc, find_phrases(doc))
    assert {(r.subject, r.object) for r in relations} == pairs
    assert all(r.relation == "inside" for r in relations)


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
        "A barn, behind which stands a mule | mule behind barn",
        "A tray, on which lie a jug and a pan | jug on tray; pan on tray",
        "A tent, on whose left there is a tree and on whose right a well | tree left of tent; well right of tent",
        "A tray to whose left lies a jug | jug left of tray",
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
        "A jug and two lutes, the jug left of the lutes. | jug left of lute; jug left of lute",
        "Above the jug there is a pan, and a lute to the right of the jug. | pan above jug; lute right of jug",
        "Three jugs, one of them red, on a table. | jug on table; jug on table; jug on table",
        "Above the jug there is a pan. The pan and a lute are left of a harp. "
        "| pan above jug; pan left of harp; lute left of harp",
        "Two jugs and two pans, the jugs above the pans. | jug above pan; jug above pan; jug above pan; jug above pan",
        "A blue jug and a red jug, both jugs left of a pan. | jug left of pan; jug left of pan",
        "The jug and the pan, the lute, and the drum are left of the harp. "
        "| jug left of harp; pan left of harp; lute left of harp; drum left of harp",
        "Two blue jugs and a red jug. The two jugs are above a pan. | jug above pan; jug above pan",
        "The dog's bowl is left of the cat's basket. | bowl left of basket",
        "The girl's bag is above the boy's bag. | bag above bag",
        "There's a lamp to the left and a plant to the right of the armchair. "
        "| lamp left of armchair; plant right of armchair",
        "The penguin is right of the seal and is below the gull. | penguin right of seal; penguin below gull",
        "An owl above a fox above a mouse. | owl above fox; fox above mouse",
        "A jug to the left of a pan on a stove. | jug left of pan; jug on stove; pan on stove",
        "a vase with roses on a table | rose inside vase; vase on table",
        "a cup with a lid on a table | cup on table; lid on table",
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
        "The goat is below the owl as well as the hen. | goat below owl; goat below hen",
        "To be seen to the left of the tent is a mule. | mule left of tent",
        "Right of the booth one sees a ladder. | ladder right of booth",
    ],
)
def test_coordination(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "The cat on the left of the dog is black and the cat on the right of the dog is white."
        " | cat left of dog; cat right of dog",
        "A cup above a plate. The cup below the plate is red. | cup above plate; cup below plate",
        "The man on the left holds a cup and the man on the right holds a jar. | man left; man right; man left of man",
        "A boy holds a kite and a girl on the left wears a hat. | girl left; hat inside girl",
        "A boy holds a kite and a ball on the left. | kite left; ball left",
    ],
)
def test_things_of_one_name_are_told_apart_by_their_places(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize("end", [", surrounded by four plates.", " and surrounded by four plates."])
def test_what_is_around_things_on_a_support_is_around_it(nlp, end):
    around = "plate left of cake; plate right of cake; plate above cake; plate below cake"
    check(nlp, f"Two candles on a cake{end} | candle on cake; candle on cake; {around}")


def test_corners_may_be_counted_once_more(nlp):
    assert stated(nlp, "A tree in each of the four corners.")[:4] == [
        f"tree {corner}" for corner in ("top left", "top right", "bottom left", "bottom right")
    ]


@pytest.mark.parametrize(
    "expression, shape", [("two rows of three", (2, 3)), ("rows of three", (1, 3)), ("zero rows of three", (0, 0))]
)
def test_no_rows_are_no_grid(expression, shape):
    assert grid_shape(expression) == shape


@pytest.mark.parametrize(
    "line",
    [
        "Two guards stand to the left and right of the throne. | guard left of throne; guard right of throne",
        "There are two trees, left and right of the house. | tree left of house; tree right of house",
        "To the left and right of the throne are guards. | guard left of throne; guard right of throne",
        "A jar is to the right and to the left of a mug. | jar left of mug; jar right of mug",
        "Two cups on the left and right. | cup left; cup right; cup left of cup",
        "A cat on the left and right of it a dog. | cat left; dog right of cat",
        "A cat to the left and above a dog. | cat left of dog; cat above dog",
        "One lamp stands to the left of the bed and another to the right. | lamp left of bed; lamp right of bed",
        "A woman holds a cup and another sits on a desk. | woman on desk",
        "A table with one cup on the left and another on the right. | cup left of table; cup right of table",
        "A cat sleeps left of a dog, another right of it. | cat left of dog; cat right of dog",
    ],
)
def test_left_and_right_are_both_sides(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A horse is left of a cow. Behind the cow is a barn, to whose right is a tractor."
        " | horse left of cow; barn behind cow; tractor right of barn",
        "A cup stands on a desk, to whose left is a lamp. | cup on desk; lamp left of desk",
    ],
)
def test_whose_means_the_noun_before_it(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A castle at the top and a river at the bottom. | castle top",
        "A cow on the left and grass on the right. | cow left",
        "A tree on the left, a road on the right. | tree left",
        "A boat on the left, the sea on the right, a bell in the middle. | boat left; bell centre; boat left of bell",
        "A cow on the left and snow and grass on the right. | cow left",
        "A castle and a river at the bottom. | castle bottom",
        "A cat on a table and a road behind it. | cat on table",
    ],
)
def test_the_place_of_a_surrounding_is_not_that_of_its_neighbour(nlp, line):
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
        "A desk with a lamp on each side | lamp left of desk; lamp right of desk",
        "On either side of the gate stands a guard. | guard left of gate; guard right of gate",
        "Two goats, one on each side of a tent | goat left of tent; goat right of tent",
        "Trees on both sides of the road | tree left; tree right; tree left of tree",
        "The desk has a jug at each end and a globe above it. | jug left of desk; jug right of desk; globe above desk",
        "A goat and a mule on either side of a well | goat left of well; mule right of well",
        "A throne flanked by lanterns | throne between lantern lantern",
        "A throne flanked on each side by a guard | throne between guard guard",
        "A gate flanked by four guards | " + "; ".join(["guard left of gate", "guard right of gate"] * 2),
        "A gate flanked by a guard on each side | gate between guard guard",
        "A gate flanked by a guard | gate next to guard",
        "A desk surrounded by four stools "
        "| stool left of desk; stool right of desk; stool above desk; stool below desk",
        "A jug, a pan and a globe around a hat | jug left of hat; pan right of hat; globe above hat",
        "A well surrounded by a fence | well next to fence",
    ],
)
def test_each_thing_may_have_its_own_place_around_a_topic(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "The tent is flanked on the left by an elm and on the right by a well. | elm left of tent; well right of tent",
        "A stool flanked to its right by a goat and to its left by a mule | goat right of stool; mule left of stool",
        "A nun is followed on the left by a poodle. | poodle left of nun",
        "The wagon was passed on its right by a tram. | tram right of wagon",
        "Flanked on the left by an owl, a nun reads a book. | owl left of nun",
        "A nun is flanked by an owl on the left and by a hen on the right. | owl left of nun; hen right of nun",
        "Flanked by a jug on the left and a pan on the right is a tray. | jug left of tray; pan right of tray",
        "With a jug on the left and a pan on the right, a tray lies there. | jug left of tray; pan right of tray",
        "Between a jug on the left and a pan on the right lies a spoon. | jug left of spoon; pan right of spoon",
        "A stool on the right by the door. | stool right; stool next to door",
    ],
)
def test_what_surrounds_a_thing_may_come_before_it_or_as_an_agent(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "The left side of the desk is occupied by a globe. | globe left of desk",
        "The barrel's right side is taken up by a hen. | hen right of barrel",
        "The nun's left is taken by a poodle, her right by a mule. | poodle left of nun; mule right of nun",
        "The space above the desk is occupied by a shelf. | shelf above desk",
        "The tent's right neighbour is a wagon. | wagon right of tent",
        "A wagon is the left neighbor of a tent. | wagon left of tent",
        "On the wagon's right there is a hen. | hen right of wagon",
        "Over the nun's head flutters an owl. | owl above nun",
        "A crown floats above the heads of two mules. | crown above mule; crown above mule",
    ],
)
def test_sides_neighbours_and_heads_belong_to_a_thing(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A man with his hand on a horse | hand inside man; hand on horse",
        "A man with a hand on a horse | hand inside man; hand on horse",
        "A man with his hand on a horse next to a barn | hand inside man; hand on horse; man next to barn",
        "A man with both feet on a sled | foot inside man; foot inside man; foot on sled; foot on sled",
        "A dog with its paw on a ball | paw inside dog; paw on ball",
        "A cat with its head in a box | head inside cat; head inside box",
        "person typing on laptop while cat lays with his leg on it | person on laptop; leg inside cat; leg on laptop",
        "A man in a coat, his arm around a dog | coat inside man; arm inside man; arm next to dog",
        "A woman leaning her head on a man's shoulder | head inside woman; head on man",
        "The head of the king is above the chair. | head inside king; head above chair",
        "The cat's paw is on the dog's head. | paw inside cat; paw on dog",
        "a dog's nose is touching a cat's nose | nose inside dog; nose inside cat; nose next to nose",
        "a boy with a ball by a goat, its ear below a jug | boy next to goat; ball next to goat; ear inside goat;"
        " ear below jug",
    ],
)
def test_parts_of_somebody_have_places_of_their_own(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "a ball to the left of the man's foot | foot inside man; ball left of foot",
        "A man stands. To the left of his foot lies a ball. | foot inside man; ball left of foot",
        "A cat sleeping next to a man's foot | foot inside man; cat next to foot",
        "a bottle above the man's hand | hand inside man; bottle above hand",
        "a dog between a table and the arm of a person | arm inside person; dog between table arm",
        "a dog between a table and the arm and chest of a person | arm inside person; dog between table arm",
        "a bird on the hand of a man | bird on man",
        "a bird on a man's hand | bird on man",
        "a ball under a man's arm | ball below man",
    ],
)
def test_what_is_beside_a_part_is_so_of_the_part(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "a man with a hand resting on his chest |",
        "A person stands beside a man with a hand resting on his chest. | person next to man",
        "a girl left of a boy with his hands behind his back | girl left of boy",
    ],
)
def test_parts_of_one_owner_state_nothing(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "To the left of the desk is a stool, to the right a globe. | stool left of desk; globe right of desk",
        "To the tent's left is a hen and to its right a mule. | hen left of tent; mule right of tent",
        "A monk stands at the nun's right and a mule at her left. | monk right of nun; mule left of nun",
        "Above the desk hangs a shelf; to the left is a stool. | shelf above desk; stool left of desk",
        "A tent is left of the well, and on the other side there is a wagon. | tent left of well; wagon right of well",
        "A jug is on the right, a pan on the other side. | jug right; pan left; jug right of pan",
        "A desk with a stool on one side and a globe on the other. | stool next to desk; globe next to desk",
    ],
)
def test_sides_said_in_parallel_share_their_landmark(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A jug stands between a pan and a tray, with the tray to the left of the jug. "
        "| jug between pan tray; tray left of jug; jug left of pan",
        "A jug stands between a pan and a tray. The tray is on the right. "
        "| jug between pan tray; tray right; pan left of jug; jug left of tray",
        "The tray is midway between the jug, which is on the right, and the pan, which is on the left. "
        "| tray between jug pan; jug right; pan left; jug right of pan; pan left of tray; tray left of jug",
        "The jug is between a pan and a tray, and the pan is above the jug. "
        "| jug between pan tray; pan above jug; jug above tray",
    ],
)
def test_the_place_of_any_of_three_orders_a_between(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "From left to right: a cactus, a pumpkin and a balloon. | cactus left of pumpkin; pumpkin left of balloon",
        "A cactus, a pumpkin and a balloon are lined up from left to right. "
        "| cactus left of pumpkin; pumpkin left of balloon",
        "From the left: a cactus, a pumpkin, a balloon. | cactus left of pumpkin; pumpkin left of balloon",
        "In a line from the right to the left are a goat and a mule. | goat right of mule",
        "From the top down: a hat, a wig and a shoe. | hat above wig; wig above shoe",
        "A crate, a stool and a jug are stacked from the bottom up. | crate below stool; stool below jug",
        "Stacked in a column from top to bottom: a wig, a hat. | wig above hat",
        "A wig and a hat hang in a column. | wig above hat",
        "A red, a green and a blue kite from left to right | kite left of kite; kite left of kite",
        "From front to back there are a goat, a mule and a hen. | goat in front of mule; mule in front of hen",
    ],
)
def test_orders_relate_each_to_the_next(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "Top row: a jug and a pan. Bottom row: a goat and a mule. "
        "| jug above goat; pan above mule; jug left of pan; goat left of mule",
        "In the upper row there is a goat and in the lower row a mule. | goat above mule",
        "The first row has a jug, the second row a pan and the third row a tray. | jug above pan; pan above tray",
        "Lower row: a jug. Middle row: a pan. Upper row: a tray. | tray above pan; pan above jug",
        "Top row, right to left: a jug, a pan. Bottom row: a hen. | jug right of pan; jug above hen; pan above hen",
        "Left column: a jug above a pan. Right column: a goat. | jug above pan; jug left of goat; pan left of goat",
        "First column: a jug, a pan. Second column: a goat, a mule. "
        "| jug left of goat; pan left of mule; jug above pan; goat above mule",
        "Back row: a goat and a mule. Front row: a hen. | goat behind hen; mule behind hen",
        "A goat sits in the bottom row. | goat bottom",
        "A row of three jugs above a desk | jug above desk; jug above desk; jug above desk; jug left of jug; "
        "jug left of jug",
        "A 2x2 grid: a jug, a pan, a goat and a hen "
        "| jug left of pan; goat left of hen; jug above goat; pan above hen",
        "A two by two grid of a jug, a pan, a goat and a hen "
        "| jug left of pan; goat left of hen; jug above goat; pan above hen",
        "Two rows of jugs | jug above jug",
    ],
)
def test_rows_and_columns_stand_to_one_another_and_are_read_in_order(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "prompt",
    ["Two rows of three red jugs", "Six jugs in two rows", "Six jugs in two rows of three", "A 2x3 grid of jugs"]
    + ["Three columns of two jugs", "Six jugs arranged in a 2 by 3 grid beside a lamp"],
)
def test_things_of_one_kind_stand_in_grids(nlp, prompt):
    doc = nlp(prompt)
    phrases = find_phrases(doc)
    relations = [r for r in find_relations(doc, phrases) if r.relation != "next to"]
    assert [phrase.head for phrase in phrases][:6] == ["jug"] * 6
    across = [Relation(index, "left of", index + 1) for index in (0, 1, 3, 4)]
    assert relations == across + [Relation(index, "above", index + 3) for index in range(3)]


@pytest.mark.parametrize(
    "prompt, places",
    [
        ("Clockwise from top left: a jug, a pan, a hen", ["top left", "top right", "bottom right"]),
        ("A jug, a pan, a hen and a harp counter-clockwise from the top", ["top", "left", "bottom", "right"]),
        ("Clockwise: a jug and a pan", ["top left", "top right"]),
        ("Anticlockwise from the lower left corner are a jug and a pan.", ["bottom left", "bottom right"]),
    ],
)
def test_things_named_in_a_circle_have_places_of_the_picture(nlp, prompt, places):
    doc = nlp(prompt)
    assert [r.relation for r in find_relations(doc, find_phrases(doc)) if r.object is None] == places


@pytest.mark.parametrize(
    "line",
    [
        "Left side: a goat, right side: a mule. | goat left; mule right; goat left of mule",
        "On the right: a goat, a hen. On the left: a mule. "
        "| goat right; hen right; mule left; goat right of mule; hen right of mule",
        "Left half: a jug above a pan. Right half: a mule. "
        "| jug left; pan left; jug above pan; mule right; jug left of mule; pan left of mule",
        "The left half shows a goat, the right half a mule. | goat left; mule right; goat left of mule",
        "Background: a tent. Foreground: a mule. | tent behind mule",
    ],
)
def test_labels_speak_of_all_up_to_the_next_label(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "A goat stands beside a mule. An owl hovers above the former. | goat next to mule; owl above goat",
        "A tent stands beside a wagon, and an owl hovers above the latter. | tent next to wagon; owl above wagon",
        "There is a jug and a pan. The latter is below the former. | pan below jug",
        "Above the desk is a shelf, and above that is a globe. | shelf above desk; globe above shelf",
        "Left of the tent is a wagon, which is in its turn left of a well. | wagon left of tent; wagon left of well",
        "A small jug and a large jug, the small one left of the large one. | jug left of jug",
    ],
)
def test_words_that_point_back_are_resolved(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "The jug is left of the pan and the globe of the desk. | jug left of pan; globe left of desk",
        "The goat is next to a tent and the mule to a barn. | goat next to tent; mule next to barn",
        "A goat is above a mule, and a hen an owl. | goat above mule; hen above owl",
        "The goat is above the mule, the hen the owl and the jug the pan. "
        "| goat above mule; hen above owl; jug above pan",
        "The goat is above the mule and the hen. | goat above mule; goat above hen",
        "The jug is left of the pan and the statue of a king. | jug left of pan; jug left of statue",
        "The jug is above the pan and the globe of the desk. | jug above pan; jug above globe",
    ],
)
def test_a_second_clause_may_leave_out_the_relation(nlp, line):
    check(nlp, line)


CORNERS_OF_PICTURE = ["top left", "top right", "bottom left", "bottom right"]


@pytest.mark.parametrize(
    "prompt, head",
    [
        ("Four owls, one in each corner", "owl"),
        ("Four owls sit in the four corners of the picture.", "owl"),
        ("Four goats stand at the corners of the meadow.", "goat"),
        ("A lantern in each corner", "lantern"),
        ("There is a lantern in every corner of the room.", "lantern"),
        ("In each corner of the yard stands a goat.", "goat"),
        ("In the middle hangs a globe and in every corner a lantern.", "lantern"),
    ],
)
def test_each_corner_has_its_thing(nlp, prompt, head):
    doc = nlp(prompt)
    phrases = find_phrases(doc)
    things = [index for index, phrase in enumerate(phrases) if phrase.head == head]
    places = [r.relation for thing in things for r in find_relations(doc, phrases) if r == Relation(thing, r.relation)]
    assert len(things) == 4
    assert places == CORNERS_OF_PICTURE


@pytest.mark.parametrize(
    "line",
    [
        "A goat, a mule, a hen and an owl in the four corners | goat top left; mule top right; hen bottom left; "
        "owl bottom right; goat left of mule; goat above hen; goat left of owl; goat above owl; mule right of hen; "
        "mule above hen; mule above owl; hen left of owl",
        "A goat and a mule in opposite corners | goat top left; mule bottom right; goat left of mule; goat above mule",
        "A stool in each corner of the desk "
        "| stool next to desk; stool next to desk; stool next to desk; stool next to desk",
        "Three goats in the four corners |",
        "A goat stands in the corner. |",
    ],
)
def test_corners_may_hold_different_things_or_be_those_of_a_thing(nlp, line):
    check(nlp, line)


def numbered(nlp, prompt):
    """The relations with an index for each object: "0 left of 2"."""
    doc = nlp(prompt)
    relations = find_relations(doc, find_phrases(doc))
    return sorted(
        " ".join(str(part) for part in (r.subject, r.relation, r.object) if part is not None) for r in relations
    )


@pytest.mark.parametrize(
    "line",
    [
        "Three goats in a row, the middle one above a mule | 0 left of 1; 1 above 3; 1 left of 2",
        "The leftmost of three jugs is above a pan. | 0 above 3; 0 left of 1; 1 left of 2",
        "Three owls sit on a fence. The right owl is above a goat. "
        "| 0 left of 1; 0 on 3; 1 left of 2; 1 on 3; 2 above 4; 2 on 3",
        "The top one of two crates is left of a lamp. | 0 above 1; 0 left of 2",
        "Four jugs. Two of the jugs are left of a pan. | 0 left of 4; 1 left of 4",
        "Three jugs and a pan. Two of them are left of the pan, one is right of it. "
        "| 0 left of 3; 1 left of 3; 2 right of 3",
        "Two goats, one left of a tent and one right of it | 0 left of 2; 1 right of 2",
        "Two goats, one on the left and the other on the right | 0 left; 0 left of 1; 1 right",
        "Three goats, one above the others | 0 above 1; 0 above 2",
        "Two plums: a red one above a green one | 0 above 1",
        "There are two jugs, one of which is left of a pan. | 0 left of 2",
        "Two goats, one on each side of a tent | 0 left of 2; 1 right of 2",
        "Two goats, one left of a tent and the other right of it | 0 left of 2; 1 right of 2",
        "Three jugs: two of the jugs are left of a pan, the third is right of it "
        "| 0 left of 3; 1 left of 3; 2 right of 3",
        "Three goats; the first is above a well, the other two are below it. | 0 above 3; 1 below 3; 2 below 3",
        "Four owls. The first two owls are above a tent, the last two below it. "
        "| 0 above 4; 1 above 4; 2 below 4; 3 below 4",
        "Three plums, two left of a jug, one right of it | 0 left of 3; 1 left of 3; 2 right of 3",
        "Three plums. The first plum is in a jug and the other plums are on a tray. | 0 inside 3; 1 on 4; 2 on 4",
        "Three plums, two of which are in a jug and the rest on a tray | 0 inside 3; 1 inside 3; 2 on 4",
        "One of the goats is left of the other. | 0 left of 1",
        "Two of the goats are above the other two. | 0 above 2; 0 above 3; 1 above 2; 1 above 3",
        "One owl is above a tent and the other is below it. | 0 above 2; 1 below 2",
    ],
)
def test_parts_of_what_is_counted_have_places_of_their_own(nlp, line):
    prompt, expected = line.split(" | ")
    assert numbered(nlp, prompt) == expected.split("; ")


@pytest.mark.parametrize(
    "line",
    [
        "A jug, a pan and a tray in a row | jug left of pan; pan left of tray",
        "A desk with two jugs in a row | jug left of jug",
        "In a straight line stand a goat and a mule. | goat left of mule",
        "A jug and a pan in a row, the pan to the left of the jug | pan left of jug",
        "A goat in a row of tents | goat inside tent",
        "The left jug is red and the right one blue. | jug left of jug",
        "The bottom kite is red and the top kite is blue. | kite above kite",
        "The left jug is above the right jug. | jug above jug",
    ],
)
def test_a_row_is_in_the_order_of_the_text_unless_it_says_otherwise(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "a man in a blue coat | coat inside man",
        "a woman wearing a hat | hat inside woman",
        "A corgi wearing goggles and a tie sits on a rug. | goggles inside corgi; tie inside corgi; corgi on rug",
        "A girl in a skirt, a hat and boots is left of a hen. | skirt inside girl; hat inside girl; boots inside girl;"
        " girl left of hen",
        "A man wearing a hat and a dog are near a car. | hat inside man; man next to car",
        "A man with a hat next to a goat | man next to goat",
        "A man with a hat and a goat on a rug | goat on rug",
        "A man with a hat on his head | hat on man",
        "A woman in a red dress sitting on a bench | dress inside woman; woman on bench",
        "A girl in a green raincoat on a bench | raincoat inside girl; girl on bench",
        "A boy in overalls and a tank top next to a hen | overalls inside boy; top inside boy; boy next to hen",
    ],
)
def test_clothes_are_inside_who_wears_them(nlp, line):
    check(nlp, line)


@pytest.mark.parametrize(
    "line",
    [
        "Three jars by a cake with plums on it | jar next to cake; jar next to cake; jar next to cake; plum on cake",
        "A laptop with a sticker on its lid, beside a mug | sticker on laptop; laptop next to mug",
        "A stack of books with an apple on top, left of a globe | apple on book; book left of globe",
        "A train circling a tree with presents underneath | present below tree",
        "A knight on a horse with a sunset in the background | knight on horse",
        "A cup left of a bowl, both on a tray | cup left of bowl; bowl on tray; cup on tray",
        "A frog on a leaf with a wasp above its head | frog on leaf; wasp above frog",
        "A house with a goat on the roof | goat on house",
        "A lamp above a road with two cars, a bus behind them | bus behind car; bus behind car",
        "A cabin on the left and a pine covered with snow on the right | cabin left; pine right; cabin left of pine",
        "A red mug and, to its right, a plate with a bun on it | plate right of mug; bun on plate",
        "A dog beside a sofa with a painting above it | dog next to sofa; painting above sofa",
        "A dog on a mat with a ball next to it | dog on mat; ball next to dog",
        "A lamp above a cat on a sofa | lamp above cat; cat on sofa",
        "A nurse with a goat on the roof | nurse on roof; goat on roof",
        "A wasp on the handlebar of an old bicycle | wasp on bicycle",
        "A nurse reading a letter on a bench | nurse on bench; letter on bench",
        "A nurse and a cook holding kites near a car | nurse next to car; cook next to car; kite next to car",
        "A nurse eating a pie on a plate | pie on plate",
        "A lady with a red umbrella in front of a taxi | lady in front of taxi; umbrella in front of taxi",
        "A man in a coat with a bag near a booth | coat inside man; man next to booth; bag next to booth",
        "A girl swinging a bat under a tree | girl below tree; bat below tree",
        "A clown next to a goat standing on a drum | clown next to goat; goat on drum",
        "A girl wearing a dress holding a cat near a car | dress inside girl; girl next to car; cat next to car",
        "A girl with red hair wearing a dress holding a cat near a car | dress inside girl; girl next to car;"
        " cat next to car",
        "A hut with smoke coming out of the chimney | ",
        "A bird with a yellow beak on the branch of a tree | bird on tree",
        "A clown juggling pins standing on a ball | clown on ball",
        "A cat in a red hat | hat inside cat",
        "A mouse in a boot | mouse inside boot",
        "A man wearing a hat riding a donkey | hat inside man; man on donkey",
        "A bear sitting in a chair wearing a hat | bear inside chair; hat inside bear",
        "A car is parked. A lady in a leather jacket leans against it. | jacket inside lady; lady next to car",
        "A wizard holding a staff, a cat on his left and a dog on his right | cat left of wizard; dog right of wizard",
        "A man singing into a microphone | ",
        "A kitten peeking out of a bag | kitten inside bag",
        "A lady sits at a desk typing on a laptop | lady next to desk; lady on laptop",
        "A man with a dog on the left and a lady with a cat on the right | man left; lady right; man left of lady",
        "A man with a dog on the left and a cat on the right | dog left of man; cat right of man",
        "On the left a man with a hat, on the right a lady | man left; lady right; man left of lady",
        "A desk topped with a jar and a book | jar on desk; book on desk",
        "A man and a lady in a hat | hat inside lady",
        "The hood of the car is left of a man. | car left of man",
        "A kitchen with a pot and a cat on the windowsill | pot on windowsill; cat on windowsill",
        "A rabbit, next to a deck of cards | rabbit next to card",
        "A nurse by a mule, both under a tree | nurse next to mule; mule below tree; nurse below tree",
    ],
)
def test_what_comes_with_a_thing_is_told_from_it(nlp, line):
    check(nlp, line)


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
        "a cup of coke on a table | coke inside cup; cup on table",
        "a vase with roses on a table | rose inside vase; vase on table",
    ],
)
def test_word_lists_do_without_a_model(line):
    nlp = spacy.blank("en")
    nlp.add_pipe(CHUNKER_NAME)
    check(nlp, line)


def test_the_lexicon_speaks_of_known_relations_only():
    known = {"left of", "right of", "above", "below", "on", "inside", "next to", "in front of", "behind", "far from"}
    known |= {"between", "opposite", "around", "both sides"} | PICTURE_PLACES.keys() | CORNERS.keys()
    assert {row.relation for row in SPATIAL_LEXICON} <= known
