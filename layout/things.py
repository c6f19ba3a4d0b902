"""Word lists: which nouns are objects of their own, and what kinds of objects there are."""

from collections.abc import Container, Iterable
from itertools import permutations
from math import prod

from .lexicon import SIZE_ADJECTIVES
from .plurals import singular
from .words import PLAIN_MODIFIERS, collect_words


# --- What is no object -------------------------------------------------------------------------------------------
DIRECTION_WORDS = collect_words(
    "left right top side front middle center centre edge corner end half rear upper lower north south east west"
    " upside underside base tip height level direction way position place spot location point placement arrangement"
    " alignment order row line distance vicinity proximity surroundings midst interior inside outside rest remainder"
    " part section portion area region space zone range reach presence addition opposite left-hand right-hand"
    " lefthand righthand next turn quarter third grid leftmost rightmost topmost uppermost"
    " clockwise counterclockwise anticlockwise"
)
PICTURE_WORDS = collect_words(
    "photo photograph picture image scene view background foreground backdrop shot close closeup close-up frame"
    " composition illustration rendering render drawing sketch snapshot depiction landscape"
    " selfie screenshot setting scenery panorama perspective angle focus style layout horizon vista collage"
    " caption detail resolution quality artwork art masterpiece bokeh hdr uhd cgi artstation"
)
# "A painting of a fox" and "oil painting" speak of the picture; "a painting above the sofa" is an object.
MEDIA_WORDS = collect_words(
    "painting portrait watercolor watercolour poster print mural tapestry photography animation canvas oil acrylic"
    " gouache"
)
SURROUNDINGS = collect_words(
    # indoors
    "room bedroom bathroom restroom kitchen livingroom lounge hall hallway corridor lobby classroom office studio"
    " apartment basement attic garage cellar dorm dormitory nursery pantry laundry stairwell floor ceiling wall"
    " wallpaper gym library museum gallery restaurant cafe cafeteria diner bar pub shop store supermarket"
    " mall hospital hotel motel airport theater theatre cinema warehouse workshop factory stadium arena salon spa"
    " bakery barbershop auditorium ballroom"
    # outdoors, made
    " street road sidewalk pavement highway freeway motorway avenue alley lane path pathway trail driveway track"
    " runway tarmac asphalt crosswalk intersection crossing roadside curb kerb parking lot lots plaza park playground"
    " yard backyard courtyard garden lawn patio porch deck terrace balcony rooftop court pitch field rink zoo farm"
    " ranch farmland campground campsite city town village downtown suburb neighborhood neighbourhood countryside"
    " country harbor harbour marina port dock wharf station terminal market cemetery poolside lakeside roadway"
    " boulevard skyline cityscape slope ramp"
    # outdoors, grown
    " ground earth soil dirt mud grass grassland turf meadow pasture prairie savanna savannah plain plains forest"
    " woods woodland jungle rainforest desert dune dunes beach shore shoreline seashore coast coastline seaside"
    " waterfront bank riverbank ocean sea lake river stream creek pond lagoon bay water waters sand snow ice gravel"
    " sky air heaven universe wilderness valley canyon hillside mountainside terrain land nature environment world"
    " outdoors indoors vegetation foliage greenery underbrush surf wave waves seabed venue habitat enclosure depth"
    " depths class"
)
# Surroundings that are objects where something is left of or above them (or they of it): "above the village".
SITES = collect_words(
    "bakery bank bar barbershop cafe cafeteria cinema city diner factory farm gallery garage gym hall hospital hotel"
    " lake library mall market motel museum office pond pub restaurant shop stadium station store supermarket terminal"
    " theater theatre town village warehouse workshop zoo"
)
# Body parts that a picture may show alone: "a hand above a keyboard".
SINGLE_PARTS = collect_words(
    "hand arm leg foot head face eye ear nose mouth lip tongue tooth neck shoulder elbow wrist finger thumb"
    " fist knee ankle toe tail paw hoof claw wing beak snout fin"
)
BODY_PARTS = SINGLE_PARTS | collect_words(
    "chin cheek forehead fingertip breast belly stomach tummy waist hip lap thigh heel back skin fur hair"
    " beard moustache mustache mane whisker muzzle body torso bottom butt eyelash eyebrow limb hump udder"
)
# Body parts only with an owner: "its trunk".
OWNED_BODY_PARTS = collect_words("chest trunk horn palm bill shell lap spine stem feather antler tusk")
FOOTWEAR = collect_words("shoe boot sneaker sandal slipper sock glove mitten")  # one alone, in which a mouse may be
SEATS = collect_words(
    "bench chair armchair couch sofa loveseat bed stool swing hammock throne rug blanket towel bicycle bike horse pony"
    " motorcycle scooter boat canoe kayak raft bus train skateboard surfboard"
)
LIGHT_AND_WEATHER = collect_words(
    "light lighting sunlight moonlight daylight candlelight lamplight sunshine sunset sunrise dusk dawn twilight"
    " shadow shade glow glare gleam glint shine sparkle reflection brightness darkness dark ray beam silhouette"
    " rain rainfall drizzle snowfall snowstorm storm thunderstorm fog mist haze wind breeze weather hail frost dew"
    " cloudiness overcast smoke steam dust splash ripple heat cold warmth spray"
)
TIMES = collect_words(
    "time day night morning noon afternoon evening midnight midday weekend week month year hour minute second moment"
    " season spring summer autumn fall winter today yesterday tomorrow instant while occasion holiday vacation"
    " daytime nighttime lunchtime dinnertime birthday century decade period"
)
ABSTRACT_WORDS = collect_words(
    "thing something anything everything nothing one none other stuff item object subject matter fact idea concept"
    " manner kind type sort variety number amount quantity total size shape form color colour hue tone tint texture"
    " contrast balance harmony symmetry mix mixture combination blend touch hint pop dash burst atmosphere mood"
    " ambiance ambience feel feeling sense emotion expression look gaze glance stare smile laugh frown grin sight"
    " attention interest curiosity joy fun pleasure comfort peace calm silence quiet sound noise music song tune"
    " melody smell scent aroma fragrance taste flavor flavour charm beauty elegance grace fashion design decor décor"
    " aesthetic display show exhibition accent highlight centerpiece adventure journey trip travel ride drive walk"
    " stroll hike run jog race play match competition contest sport training practice exercise work job task duty"
    " chore business use purpose reason function need want desire hope dream wish plan choice option chance"
    " opportunity luck risk danger safety help support service care love friendship relationship company"
    " companionship conversation talk chat speech story tale news knowledge memory thought mind spirit soul life"
    " living death birth age youth bit little trick stunt handstand cartwheel somersault tug war notice meal sale"
    " progress tennis soccer golf hockey cricket rugby badminton polo chess poker hopscotch power strength force"
    " energy speed pace motion movement action activity event ceremony party celebration breakfast lunch dinner"
    " supper brunch appetite hunger thirst meeting sleep nap break relaxation leisure entertainment enjoyment delight"
    " surprise excitement wonder awe convenience access storage disorder mess chaos clutter state condition situation"
    " example instance process method technique effect result impact cause problem trouble question answer weight"
    " length width degree price cost value worth wealth word name title language meaning scheme theme vibe element"
    " feature aspect characteristic majesty splendor grandeur vibrancy simplicity flight flow jump leap dive catch"
    " throw kick hit pose posture stance grip hold jumping running riding skiing surfing swimming cooking eating"
    " anticipation preparation completion observation attraction formation illumination perfection purchase visit"
    " return arrival departure landing takeoff start finish cleaning washing drying toasting coverage protection"
    " pride glory glimpse blur bloom usage latter former text lettering horseback pattern stripe freckle"
)
ABSTRACT_SUFFIXES = ("ness", "ity", "ism", "tude")
# Heads from the lists above that are objects after all once one of these words stands before them.
OBJECT_COMPOUNDS = {
    "light": collect_words("traffic stop street red signal flash christmas fairy string ceiling brake night"),
    "head": collect_words("shower statue lettuce"),
    "bank": collect_words("piggy power"),
    "game": collect_words("board video card"),
    "track": collect_words("train railroad railway"),
    "bar": collect_words("chocolate candy snack metal soap"),
    "frame": PLAIN_MODIFIERS | collect_words("picture photo bed window door oval rectangular ornate metal"),
    "deck": collect_words("card tape"),
    "ramp": collect_words("skate wooden"),
    "station": collect_words("gas space"),
    "leg": collect_words("chicken turkey"),
    "wing": collect_words("chicken airplane"),
    "line": collect_words("power clothes washing telephone phone zip fishing"),
    "shade": collect_words("lamp window"),
    "stand": collect_words(
        "night fruit music news plant tv display food flower lemonade umbrella christmas hot cake coat hat"
    ),
    "music": collect_words("sheet"),
    "bit": collect_words("drill"),
    "top": collect_words("tank crop halter spinning"),
}
# Compounds whose last word a tagger may take for a verb, beside those above.
NOUN_COMPOUNDS = OBJECT_COMPOUNDS | {
    "crossing": collect_words("zebra pedestrian level railroad railway"),
    "set": collect_words("tea swing chess tv television dining drum train"),
    "string": collect_words("kite guitar violin"),
    "can": collect_words("tin beer soda cola paint spray trash garbage watering oil"),
    "kit": collect_words("drum tool aid sewing makeup"),
}
# Heads that are objects, unless one of these words stands before them ("the morning sun", "taking a swing") ...
UNSEEN_COMPOUNDS = {
    "sun": collect_words("morning midday noon afternoon evening summer winter"),
    "up": collect_words("close"),
    "engine": collect_words("unreal unity"),
    "swing": collect_words("golf baseball bat tennis full mid take takes taking took his her their its"),
}
# ... or a form of "to play": "playing baseball".
BALL_GAMES = collect_words("baseball football basketball volleyball softball handball")
# "A toy kitchen" is an object whatever follows.
OBJECT_MAKERS = collect_words("toy model miniature stuffed plastic lego inflatable cardboard plush paper origami")
# How several things may stand, "in a circle"; whether that is told by the word alone.
FORMATIONS = {"circle": True, "semicircle": True, "ring": False, "square": False, "triangle": False}
# Compounds that are not of the kind that their last word names: "the dog" is no hot dog.
NAMESAKES = {
    "dog": collect_words("hot corn prairie"),
    "bear": collect_words("gummy"),
    "horse": collect_words("sea rocking"),
    "lion": collect_words("sea"),
    "pig": collect_words("guinea"),
}

# --- "... of ..." ------------------------------------------------------------------------------------------------
# "a <measure> of <things>" is about the things ...
MEASURES = collect_words(
    "pair couple trio bunch piece slice group set stalk stem sprig head herd flock pack swarm school flight litter"
    " row line pile stack heap bundle cluster clump collection assortment selection variety array series range"
    " number lot plenty handful dozen kind type sort loaf wedge chunk bit cube clove ear bar stick strip sheet roll"
    " scoop crowd team crew bouquet string fleet load batch block drop bale quartet grid suit"
)
# ... and "a <container> of <stuff>" is about the container, "a <depiction> of <things>" about the depiction.
OPEN_CONTAINERS = collect_words(  # those that show what is in them
    "cup bowl plate glass box basket jar vase tray pot mug crate bucket barrel pan dish tub saucer platter goblet"
    " container bin cart shelf pail teacup tumbler skillet planter wheelbarrow chest"
)
CONTAINERS = OPEN_CONTAINERS | collect_words(
    "bottle bag can carton jug pitcher tank packet sack tin tube case kettle keg"
)
CONTAINER_PARTS = collect_words(
    "handle lid label rim stripe pattern logo cover cap cork spout sticker print motif design ornament decoration"
    " ribbon bow tag inscription letter number drawer door wheel lock latch crack chip hole dot band border tire bell"
    " tap stem sail awning screen wire sign mirror bat racket"
)
UTENSILS = collect_words("spoon fork knife chopsticks straw ladle whisk spatula teaspoon")
MATTER = collect_words("dirt soil mud earth sand snow ice gravel water grass")  # surroundings, unless in a container
VESSEL_MATERIALS = collect_words("glass wood porcelain ceramic crystal metal plastic bronze brass china")
DEPICTIONS = collect_words("statue sculpture figurine figure model bust painting poster mural tapestry")

# --- Kinds of objects --------------------------------------------------------------------------------------------
PEOPLE = collect_words(
    "person man woman boy girl child kid baby toddler teenager adult lady gentleman guy fellow human someone somebody"
    " player rider driver surfer skier skater skateboarder snowboarder cyclist biker runner swimmer dancer singer"
    " musician artist painter actor actress chef cook baker waiter waitress doctor nurse teacher student pupil"
    " soldier officer policeman policewoman fireman firefighter farmer fisherman sailor pilot astronaut knight king"
    " queen prince princess wizard witch pirate cowboy clown ninja samurai monk nun priest bride groom mother father"
    " mom dad parent grandmother grandfather grandma grandpa brother sister son daughter uncle aunt friend worker"
    " builder mechanic tourist traveler traveller hiker climber customer passenger pedestrian businessman"
    " businesswoman boss gardener photographer magician juggler ballerina guard judge thief hero superhero batter"
    " catcher pitcher goalkeeper golfer boxer wrestler athlete couple crowd family team people mermaid fairy elf"
    " dwarf giant goblin ogre troll orc gnome vampire zombie owner mailman butcher carpenter barber librarian"
    " scientist"
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
ACTORS = PEOPLE | ANIMALS
WEARERS = ACTORS | collect_words(
    "robot skeleton alien doll puppet mannequin monster ghost dragon unicorn retriever poodle corgi skull toy"
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
# What is on a part of these is on them: "a house with a cat on the roof".
_BUILDINGS = collect_words("house cabin barn church hut cottage castle shed building doghouse farmhouse tent")
_CYCLES = collect_words("bicycle bike motorcycle motorbike scooter")
_WHOLES = {
    "roof": _BUILDINGS | _VEHICLES, "chimney doorstep": _BUILDINGS, "ledge": _BUILDINGS | {"window"},
    "sill windowsill": frozenset({"window", "house"}), "mantel mantelpiece": frozenset({"fireplace"}),
    "hood bumper dashboard windscreen windshield": _VEHICLES, "handlebar handlebars": _CYCLES,
    "saddle": _CYCLES | {"horse", "pony", "camel", "donkey"}, "mast": collect_words("boat ship sailboat yacht"),
    "lid rim handle": CONTAINERS | {"laptop", "basket", "piano"}, "branch": frozenset({"tree", "oak", "pine"}),
    "headboard": frozenset({"bed"}), "backrest armrest": collect_words("chair armchair sofa couch bench"),
}  # fmt: skip
PARTS_OF_THINGS = {part: wholes for parts, wholes in _WHOLES.items() for part in parts.split()}
# "the animal" after "a horse" is the horse again.
HYPERNYMS = {
    "person": PEOPLE, "animal": ANIMALS, "creature": ANIMALS, "pet": ANIMALS, "beast": ANIMALS, "vehicle": _VEHICLES,
    "fruit": _FRUITS, "vegetable": _VEGETABLES, "veggie": _VEGETABLES, "dessert": _SWEETS, "pastry": _SWEETS,
    "treat": _SWEETS | _FRUITS, "snack": _SWEETS | _FRUITS | _VEGETABLES | {"pizza", "sandwich"},
    "dish": _SWEETS | _VEGETABLES | {"pizza", "sandwich"},
    "food": _SWEETS | _FRUITS | _VEGETABLES | {"pizza", "sandwich", "dog"},
    "furniture": frozenset({"couch", "chair", "bed", "table", "sofa", "desk", "dresser", "bench"}),
}  # fmt: skip

# What only a list after it names: "three things: ..."
TOTALS = frozenset(("thing", "object", "item"))

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
KINDS = (
    PEOPLE, ANIMALS, CLOTHES, _VEHICLES, _FRUITS, _VEGETABLES, _SWEETS, HYPERNYMS["furniture"], CONTAINERS, DEPICTIONS,
    TALL_THINGS, WIDE_THINGS,
)  # fmt: skip


def kinds_of(noun: str) -> list[bool]:
    """Which of `KINDS` a thing belongs to."""
    return [noun in kind for kind in KINDS]


# --- How much smaller or larger than others of its name a thing is, in its sides -----------------------------------
_FACTOR_OF_STEPS = {-2: 0.5, -1: 0.7, 1: 1.4, 2: 2.0}
_REPLICA_FACTOR, _REPLICA_WORDS = 0.1, frozenset(("toy", "miniature"))


def size_factor(head: str, modifiers: Iterable[str]) -> float:
    """What the words beside a thing's name, lower-case, say of its size: 1 if nothing, as in "toy store"."""
    words = set(modifiers) - ({"toy"} if singular(head) in SITES else set())
    young = 0.5 if "baby" in words and singular(head) in ANIMALS else 1.0
    replica = _REPLICA_FACTOR if words & _REPLICA_WORDS else 1.0
    steps = {SIZE_ADJECTIVES[word] for word in (words - _REPLICA_WORDS) & SIZE_ADJECTIVES.keys()}
    return young * replica * prod(_FACTOR_OF_STEPS[number] for number in steps)


def name_among(names: Container[str], head: str, modifiers: Iterable[str]) -> str | None:
    """
    What a thing is called in a list: by its noun and as many of its other words as the list has, up to three ("hot air
    balloon"), or by its noun alone, unless it is only its namesake ("hot dog").

    Args:
        names (`Container[str]`): Of things, lower-case, in the singular, without hyphens.
        head (`str`), modifiers (`Iterable[str]`): Of the thing's phrase, lower-case.

    Returns:
        The name; None if the list has none for it.
    """
    noun, words = singular(head), sorted({word for modifier in modifiers for word in modifier.split("-")})
    candidates = [" ".join((*others, noun)) for count in (3, 2, 1) for others in permutations(words, count)]
    candidates += [noun] if NAMESAKES.get(noun, frozenset()).isdisjoint(words) else []
    return next((name for name in candidates if name in names), None)


def name_and_factor(names: Container[str], head: str, modifiers: Iterable[str]) -> tuple[str | None, float]:
    """A thing's name by `name_among`, and the `size_factor` of those of its words that are no part of the name."""
    name = name_among(names, head, modifiers)
    return name, size_factor(head, set(modifiers) - set((name or "").split()))
