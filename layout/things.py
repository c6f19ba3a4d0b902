"""What kinds of things there are, how large, and of which shape: word lists, and what adjectives add to them."""

from collections.abc import Collection, Container, Iterable
from itertools import permutations
from math import prod

from .words import collect_words, singular


PEOPLE = collect_words(
    "person man woman boy girl child kid baby toddler teenager adult lady gentleman guy fellow human someone somebody"
    " player rider driver surfer skier skater skateboarder snowboarder cyclist biker runner swimmer dancer singer"
    " musician artist painter actor actress chef cook baker waiter waitress doctor nurse teacher student pupil soldier"
    " officer policeman policewoman fireman firefighter farmer fisherman sailor pilot astronaut knight king queen"
    " prince princess wizard witch pirate cowboy clown ninja samurai monk nun priest bride groom mother father mom dad"
    " parent grandmother grandfather grandma grandpa brother sister son daughter uncle aunt friend worker builder"
    " mechanic tourist traveler traveller hiker climber customer passenger pedestrian businessman businesswoman boss"
    " gardener photographer magician juggler ballerina guard judge thief hero superhero batter catcher pitcher"
    " goalkeeper golfer boxer wrestler athlete couple crowd family team people mermaid fairy elf dwarf giant goblin"
    " ogre troll orc gnome vampire zombie owner mailman butcher carpenter barber librarian scientist"
)
CLOTHES = collect_words(
    "hat cap helmet coat jacket shirt t-shirt tshirt blouse sweater hoodie vest suit tuxedo tie bowtie dress skirt"
    " gown robe pants trousers jeans shorts uniform costume apron scarf glove mitten sock shoe boot sneaker sandal"
    " glasses sunglasses goggles mask crown necklace watch ring belt swimsuit bikini clothes clothing outfit wetsuit"
    " beanie bonnet veil cape cloak kimono pajamas collar jersey boots gloves mittens sandals sneakers socks slippers"
    " earring earrings raincoat overcoat trenchcoat overalls dungarees jumpsuit tracksuit bodysuit spacesuit armor"
    " armour sari turban hijab cardigan jumper pullover sweatshirt poncho shawl toga tunic onesie tutu bandana parka"
    " anorak leotard leggings tights stockings corset kilt sarong headscarf headband tiara wig monocle spectacles mitt"
    " scrubs bathrobe nightgown beret fedora sombrero bracelet heels top"
)

ANIMALS = collect_words(
    "cat dog puppy kitten horse pony cow calf bull sheep lamb goat pig donkey camel llama elephant bear panda zebra"
    " giraffe lion tiger leopard wolf fox deer moose rabbit hare squirrel mouse rat hamster hedgehog raccoon otter"
    " beaver monkey gorilla koala kangaroo hippo rhino bird duck goose swan chicken hen rooster turkey owl eagle"
    " parrot penguin flamingo seagull pigeon crow peacock ostrich fish shark whale dolphin seal octopus crab lobster"
    " frog toad turtle tortoise snake lizard crocodile alligator snail spider bee butterfly ladybug dragon unicorn"
)
_VEHICLES = collect_words(
    "car bus truck van taxi train tram bicycle bike motorcycle motorbike scooter tractor boat ship ferry canoe kayak"
    " yacht airplane plane jet helicopter rocket wagon cart ambulance jeep limousine submarine suv minivan carriage"
)
_FRUITS = collect_words(
    "apple orange banana pear peach plum grape cherry strawberry blueberry raspberry lemon lime melon watermelon"
    " pineapple mango kiwi coconut apricot fig papaya pomegranate"
)
_VEGETABLES = collect_words(
    "broccoli carrot potato tomato onion pepper cucumber lettuce cabbage cauliflower pumpkin eggplant zucchini corn"
    " radish spinach celery mushroom asparagus"
)
_SWEETS = collect_words(
    "cake donut doughnut pie cookie cupcake muffin brownie pudding pastry tart croissant waffle pancake chocolate"
)
_FURNITURE = collect_words("couch chair bed table sofa desk dresser bench")
_CONTAINERS = collect_words(
    "cup bowl plate glass box basket jar vase tray pot mug crate bucket barrel pan dish tub saucer platter"
    " goblet container bin cart shelf pail teacup tumbler skillet planter wheelbarrow chest bottle bag can"
    " carton jug pitcher tank packet sack tin tube case kettle keg"
)
_DEPICTIONS = collect_words("statue sculpture figurine figure model bust painting poster mural tapestry")
_SITES = collect_words(
    "bakery bank bar barbershop cafe cafeteria cinema city diner factory farm gallery garage gym hall hospital hotel"
    " lake library mall market motel museum office pond pub restaurant shop stadium station store supermarket terminal"
    " theater theatre town village warehouse workshop zoo"
)
# Compounds that are not of the kind that their last word names: "the dog" is no hot dog.
_NAMESAKES = {
    "dog": {"hot", "corn", "prairie"}, "bear": {"gummy"}, "horse": {"sea", "rocking"}, "lion": {"sea"},
    "pig": {"guinea"},
}  # fmt: skip

# --- Shapes: boxes of these are higher than wide, or wider than high ----------------------------------------------
TALL_THINGS = PEOPLE | collect_words(
    "giraffe lamp bottle vase tower tree lighthouse skyscraper building penguin ostrich flamingo candle door ladder"
    " refrigerator fridge glass pole post sign hydrant meter statue pillar column rocket robot snowman scarecrow"
    " bookcase bookshelf wardrobe cabinet locker guitar violin cello harp tie toothbrush spoon fork knife carrot"
    " broom mop umbrella cactus windmill obelisk llama kangaroo meerkat owl palm pine flagpole faucet"
)
WIDE_THINGS = collect_words(
    "couch sofa bed bus train car truck boat ship airplane plane jet bench table desk keyboard skateboard snowboard"
    " surfboard skis ski motorcycle bicycle bike van taxi limousine tractor tram submarine canoe kayak yacht raft"
    " ferry bridge fence crocodile alligator whale shark dolphin snake lizard piano bathtub tub tv television laptop"
    " rug mat carpet shelf counter pizza sandwich plate tray pillow wagon sled tank helicopter mouse turtle crab fish"
    " remote banana glasses goggles log mattress dresser sideboard stage"
)

# --- What kinds of things an object belongs to: for what is known of such things in general -------------------------
NOUN_KINDS = (
    PEOPLE, ANIMALS, CLOTHES, _VEHICLES, _FRUITS, _VEGETABLES, _SWEETS, _FURNITURE, _CONTAINERS, _DEPICTIONS,
    TALL_THINGS, WIDE_THINGS,
)  # fmt: skip


def kinds_of(noun: str) -> list[bool]:
    """Which of `NOUN_KINDS` a thing belongs to."""
    return [noun in kind for kind in NOUN_KINDS]


# --- Sizes ----------------------------------------------------------------------------------------------------------
# Steps from the usual size: what an adjective says, and what things usually have (much milder than in the world).
# What examples/layouts/sizes.csv holds out for measuring is in neither list.
SIZE_ADJECTIVES: dict[str, int] = {
    "tiny": -2, "teeny": -2, "wee": -2, "minuscule": -2, "microscopic": -2, "small": -1,
    "little": -1, "mini": -1, "miniature": -1, "smallest": -1, "tiniest": -1,
    "big": 1, "large": 1, "oversized": 1, "biggest": 1, "largest": 1,
    "huge": 2, "giant": 2, "gigantic": 2, "enormous": 2, "massive": 2, "colossal": 2, "towering": 2,
}  # fmt: skip
SMALL_THINGS: frozenset[str] = collect_words(
    "cup glass spoon fork knife pen button ring watch phone cellphone remote apple orange peach plum lemon lime kiwi"
    " cherry egg tomato carrot onion cookie doughnut cupcake muffin candle bulb dice die marble thimble needle nail"
    " screw shell pebble leaf feather fly butterfly spider snail beetle worm frog sparrow scissors frisbee ball nut"
    " acorn badge card ticket match whistle"
)
LARGE_THINGS: frozenset[str] = collect_words(
    "elephant giraffe whale rhino hippo dinosaur dragon truck tractor ship ferry yacht plane jet rocket tank building"
    " tower castle barn lighthouse skyscraper windmill temple tree mountain hill volcano stage tent"
)


def steps_of_size(noun: str, modifiers: Collection[str] = ()) -> tuple[int, int]:
    """How many steps a thing is larger (+) or smaller (-) than usual: by its kind, and by its adjectives."""
    by_kind = (noun in LARGE_THINGS) - (noun in SMALL_THINGS)
    said = [SIZE_ADJECTIVES[word] for word in modifiers if word in SIZE_ADJECTIVES]
    return by_kind, max(said, key=abs, default=0)


# --- How much smaller or larger than others of its name a thing is, in its sides -----------------------------------
_FACTOR_OF_STEPS = {-2: 0.5, -1: 0.7, 1: 1.4, 2: 2.0}
_REPLICA_FACTOR, _REPLICA_WORDS = 0.1, frozenset(("toy", "miniature"))


def size_factor(head: str, modifiers: Iterable[str]) -> float:
    """What the words beside a thing's name, lower-case, say of its size: 1 if nothing, as in "toy store"."""
    words = set(modifiers) - ({"toy"} if singular(head) in _SITES else set())
    young = 0.5 if "baby" in words and singular(head) in ANIMALS else 1.0
    replica = _REPLICA_FACTOR if words & _REPLICA_WORDS else 1.0
    steps = {SIZE_ADJECTIVES[word] for word in (words - _REPLICA_WORDS) & SIZE_ADJECTIVES.keys()}
    return young * replica * prod(_FACTOR_OF_STEPS[number] for number in steps)


def name_among(names: Container[str], head: str, modifiers: Iterable[str]) -> str | None:
    """
    What a thing is called in a list of names in the singular: by its noun and as many of its other words as the list
    has, up to three ("hot air balloon"), or by its noun alone, unless it is only its namesake ("hot dog"). All is
    lower-case, and the list without hyphens.
    """
    noun, words = singular(head), sorted({word for modifier in modifiers for word in modifier.split("-")})
    candidates = [" ".join((*others, noun)) for count in (3, 2, 1) for others in permutations(words, count)]
    candidates += [noun] if _NAMESAKES.get(noun, set()).isdisjoint(words) else []
    return next((name for name in candidates if name in names), None)


def name_and_factor(names: Container[str], head: str, modifiers: Iterable[str]) -> tuple[str | None, float]:
    """A thing's name by `name_among`, and the `size_factor` of those of its words that are no part of the name."""
    name = name_among(names, head, modifiers)
    return name, size_factor(head, set(modifiers) - set((name or "").split()))
