"""
The spatial expressions of English, and what it says about sizes, as data.

Each entry is a regular expression over lower-case text (spaces stand for any white space), the relation that it
states, and where its landmark is:

- "after": it needs one ("to the left of the car")
- "maybe": with one or without ("above the car", "with a kite above")
- "none": the text around it has to tell ("to the left", "nearby")
- "owner": a possessive inside or before it ("to its left", "to the dog's left")
- "picture": the picture itself ("in the top left corner")
- "row", "column", "depth": the other rows and so on ("in the second row", "left column: ...", "Background: ...")
- "list": as "after", unless that has its own place ("flanked by a dog to the left")
- "held": as "owner", but anything stated elsewhere counts more ("in her left hand")
- "reversed": as "after", but the landmark stands in the relation to the subject ("contains a spoon")
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from .grids import grid_shape
from .words import MOST_INSTANCES, collect_words


_DEGREE = r"(?:(?:far|very|immediate|direct|own|extreme|slightly|just|directly|immediately) )?"
_TO = r"(?:(?:off |over |up |out )?(?:to|on|at|by|from|along|toward|towards|in|onto) )"
_HAND, _PART = "(?:[- ]?hand)?", "(?: side| edge| end| half| flank| neighbou?r)"
_SIDE = rf"{_HAND}{_PART}?"
_IN, _ROW = "(?:(?:in|on|at) )?(?:the )?", "(?:row|tier|line)"
_INNER = "(?:middle|centre|center|central|second|third|fourth|fifth|next)"
_OWNER = r"(?:whose|its|it's|their|his|her)"
_PICTURE = (
    r"(?:picture|image|photo|photograph|scene|frame|canvas|composition|view|screen|page|shot|illustration"
    r"|foreground|background|room|sky)"
)
_BOTH_SIDES = "(?:on|at|to|by) (?:each|either|both) (?:sides?|ends?)"
_LEFT_AND_RIGHT = "the (?:left and (?:(?:to |on |at )?the )?right|right and (?:(?:to |on |at )?the )?left)(?: sides?)?"
_OF_PICTURE = rf"(?: of (?:the |this )?{_PICTURE})?"
_OF_PICTURE_NEEDED = rf" of (?:the |this )?{_PICTURE}"

# Several corners at once: for each of them one thing.
CORNERS: dict[str, str] = {
    "each corner": "(?:each|every) corner|each of the (?:four )?corners",
    "four corners": "(?:the |all )?(?:the )?(?:four )?corners",
    "opposite corners": "(?:two |the )?opposite corners",
}


@dataclass(frozen=True)
class SpatialExpression:
    """One row of the lexicon."""

    pattern: str
    relation: str
    landmark: str


def _lateral_expressions(side: str) -> list[SpatialExpression]:
    relation = f"{side} of"
    hand = r"(?:hand|arm|shoulder|paw|wing|hip|fist|palm|foot|leg|knee)"
    return [
        SpatialExpression(rf"{_TO}?the {_DEGREE}{side}{_SIDE}{_OF_PICTURE_NEEDED}", side, "picture"),
        SpatialExpression(rf"{_TO}?the {_DEGREE}{side}{_SIDE} (?:of|from)", relation, "after"),
        SpatialExpression(rf"{_DEGREE}{side}{_SIDE} (?:of|from)", relation, "after"),
        SpatialExpression(rf"{_TO}the (?:upper|lower|top|bottom)[- ]{side}{_SIDE} of", relation, "after"),
        SpatialExpression(rf"(?:{_TO}|over |under ){_OWNER} {side} {hand}", relation, "held"),
        SpatialExpression(rf"{_TO}{_OWNER} {_DEGREE}{side}{_SIDE}", relation, "owner"),
        SpatialExpression(rf"{_OWNER} {_DEGREE}{side}(?:{_HAND}{_PART}|(?= (?:is|was|by)))", relation, "owner"),
        SpatialExpression(rf"(?:'s|’s|s') {_DEGREE}{side}{_SIDE}", relation, "owner"),
        SpatialExpression(rf"(?:to|toward|towards|from|off to|over to) the {_DEGREE}{side}{_SIDE}", relation, "none"),
        SpatialExpression(rf"(?:on|at|in|along) the {_DEGREE}{side}{_SIDE}", side, "none"),
        SpatialExpression(rf"{side}{_SIDE}(?= ?:)|the {_DEGREE}{side}{_HAND}{_PART}", side, "picture"),
        SpatialExpression(rf"{side}(?= and )", relation, "none"),
        SpatialExpression(rf"{side}(?=[,.;]|$)", side, "none"),
        SpatialExpression(rf"(?:further |farther )(?:to the )?{side}", relation, "none"),
    ]


def _picture_expressions() -> list[SpatialExpression]:
    """Corners, edges and the centre of the picture."""
    at = r"(?:(?:in|at|on|to|near|into|toward|towards|from|along|across) )?(?:the )?(?:very |far |extreme )?"
    part = r"(?:[- ]?hand)?(?: (?:corner|edge|side|part|half|quarter|quadrant|section|area|portion|third))?"
    rows = []
    for side in ("left", "right"):
        for name, words in (("top", "(?:top|upper)"), ("bottom", "(?:bottom|lower)")):
            place = rf"{at}{words}[- ]{side}{part}{_OF_PICTURE}"
            rows.append(SpatialExpression(place, f"{name} {side}", "picture"))
    for name, words in (("top", "(?:top|upper)"), ("bottom", "(?:bottom|lower)")):
        edge = r"(?:edge|part|half|side|section|area|portion|third|of the page)"
        rows.append(SpatialExpression(rf"{at}{words} {edge}{_OF_PICTURE}", name, "picture"))
        rows.append(SpatialExpression(rf"(?:at|in|on|near) the very {words}{_OF_PICTURE}", name, "picture"))
        rows.append(SpatialExpression(rf"(?:at|in|on|near|along) the {words}{_OF_PICTURE_NEEDED}", name, "picture"))
        rows.append(SpatialExpression(rf"(?:at|in|near|along) the {words}", name, "picture"))
        rows.append(SpatialExpression(rf"{words}(?= ?:)", name, "picture"))
    for relation, words in CORNERS.items():
        rows.append(SpatialExpression(rf"(?:in|at|on|into) (?:{words}){_OF_PICTURE}", relation, "picture"))
        rows.append(SpatialExpression(rf"(?:in|at|on|around) (?:{words}) of", relation, "after"))
    middle = r"(?:in|at|near|into|to) the (?:very |exact )?(?:middle|centre|center)"
    rows.append(SpatialExpression(rf"{middle}{_OF_PICTURE_NEEDED}", "centre", "picture"))
    rows.append(SpatialExpression(rf"{middle}", "centre", "picture"))
    rows.append(SpatialExpression(r"(?:middle|centre|center)(?= ?:)", "centre", "picture"))
    return rows


def _rows(relation: str, landmark: str, *patterns: str) -> list[SpatialExpression]:
    return [SpatialExpression(pattern, relation, landmark) for pattern in patterns]


_WORKPLACES = "table|desk|counter|piano|organ|keyboard|workbench|booth|easel|stove|computer|bar|loom"

SPATIAL_LEXICON: tuple[SpatialExpression, ...] = tuple(
    _lateral_expressions("left")
    + _lateral_expressions("right")
    + _picture_expressions()
    # --- rows and columns
    + _rows("top", "row", f"{_IN}(?:top|upper|first) {_ROW}")
    + _rows("centre", "row", f"{_IN}{_INNER} {_ROW}")
    + _rows("bottom", "row", f"{_IN}(?:bottom|lower|last) {_ROW}")
    + _rows("left", "column", f"{_IN}(?:left(?:most)?|first){_HAND} column")
    + _rows("centre", "column", f"{_IN}{_INNER} column")
    + _rows("right", "column", f"{_IN}(?:right(?:most)?|last){_HAND} column")
    + _rows("in front of", "depth", f"{_IN}front {_ROW}", f"{_IN}(?:front|foreground)(?= ?:)")
    + _rows("behind", "depth", f"{_IN}(?:back|rear) {_ROW}", f"{_IN}(?:back|background)(?= ?:)")
    # --- up and down
    + _rows("above", "maybe", r"(?:directly |just |right |high |slightly )?above", "up above", "over", "overhead")
    + _rows("above", "after", "over the top of", "(?:over|above) the heads? of", "higher (?:up )?than")
    + _rows("above", "after", r"(?:looks|looking|towers|towering|rises|rising) (?:down )?over")
    + _rows("above", "none", "higher(?: up)?")
    + _rows("below", "maybe", r"(?:directly |just |right |slightly )?(?:below|beneath|underneath|under)", "down below")
    + _rows("below", "after", r"(?:at|on|near|by) the (?:bottom|foot|base) of", "lower (?:down )?than", "hanging from")
    + _rows("below", "none", "lower(?: down)?", "underfoot")
    + _rows("below", "owner", rf"at {_OWNER} (?:feet|base|foot)", r"(?:'s|’s|s'|s’) feet")
    + _rows("on", "after", r"(?:on|onto|at) (?:the )?(?:very )?top of", "atop(?: of)?", "upon")
    + _rows("on", "after", "on", "onto", "riding(?: on)?", "rides(?: on)?", "rode", "aboard", "astride", "topping")
    + _rows("on", "after", r"(?:on|onto) the (?:back|head|shoulders?|lap|roof|lid|seat|surface|branch(?:es)?) of")
    + _rows("on", "owner", rf"on {_OWNER} (?:back|head|top|lap|shoulders?|nose|roof|hood|saddle)")
    + _rows("on", "none", "on top")
    + _rows("on", "reversed", "topped (?:with|by)", "supports", "supporting", "crowned (?:with|by)")
    # --- in and around
    + _rows("inside", "after", "in", "into", "within", "inside of", "in the (?:interior|inside) of", "enclosed by")
    + _rows("inside", "after", r"(?:stick|peek|pok|popp|com|grow|emerg|climb|jump|lean|ris|look|spill)ing out of")
    + _rows("inside", "maybe", "inside")
    + _rows("inside", "reversed", "contains", "containing", r"(?:is |are )?(?:filled|full|stuffed|packed) (?:with|of)")
    + _rows("inside", "reversed", "wearing", "wears", "wore", r"dressed in", "encloses", "surrounds")
    + _rows("between", "list", r"(?:(?:in|sandwiched|nestled|midway|halfway|exactly|right) )*between")
    + _rows("between", "list", "in the (?:middle|midst|centre|center) of")
    + _rows("between", "list", rf"(?:flanked|sandwiched|bordered|framed) (?:{_BOTH_SIDES} )?by")
    + _rows("around", "list", "(?:surrounded|encircled) (?:on (?:all|both) sides )?by")
    + _rows("around", "after", "(?:all )?around", "surround(?:ing(?= (?:a|an|the|it|them) ))?")
    + _rows("both sides", "after", f"{_BOTH_SIDES} of")
    + _rows("both sides", "none", _BOTH_SIDES)
    + _rows("both sides", "after", f"to {_LEFT_AND_RIGHT} of", "(?:left and right|right and left) of")
    + _rows("both sides", "after", f"(?:on|at) {_LEFT_AND_RIGHT} of(?! (?:it|him|her|them))")  # "right of it a cat"
    + _rows("both sides", "none", f"(?:to|on|at) {_LEFT_AND_RIGHT}(?=[,.;]|$)")
    # --- beside
    + _rows("next to", "after", "next to", "adjacent to", "close (?:by )?to", "near(?: to)?", "against", "touching")
    + _rows("next to", "after", "by", "past", "across from", "opposite(?: to)?", "(?:beside|alongside) of")
    + _rows("next to", "after", r"(?:on|at|by) (?:the|one) sides? of")
    + _rows("next to", "after", rf"at(?= (?:an?|the|his|her|their) (?:\w+ ){{0,2}}(?:{_WORKPLACES})\b)")
    + _rows("opposite", "after", r"(?:on|at) the (?:other|opposite|far) (?:side|end) of")
    + _rows("opposite", "none", r"(?:on|at) the (?:other|opposite) (?:side|end)", r"(?:on|at) the other(?=[,.;]|$)")
    + _rows("next to", "list", "accompanied by", "joined by", "together with", "along with")
    + _rows("next to", "maybe", "beside", "alongside", "side by side(?: with)?")
    + _rows("next to", "owner", rf"(?:at|by|on) {_OWNER} sides?", r"(?:'s|’s|s') sides?")
    + _rows("next to", "none", r"(?:on|at) one (?:side|end)")
    + _rows("next to", "none", "nearby", "near by", "close by", "in the vicinity", "next door")
    # --- depth and distance
    + _rows("in front of", "after", "in front of", "in the front of", "ahead of", "at the front of")
    + _rows("in front of", "none", "in front", "in the foreground", "up front")
    + _rows("behind", "maybe", "(?:directly |just |right )?behind")
    + _rows("behind", "after", "hidden by", "at the (?:back|rear) of", "in back of", "beyond")
    + _rows("behind", "none", "in the background", "in the distance", "in the back", "in the rear")
    + _rows("far from", "after", "far (?:away )?from", "a long way from", "away from", "distant from")
    + _rows("far from", "none", "far away", "far off")
)

_IN_A_ROW = "in (?:a|one) (?:single |straight |vertical )?(?:row|line|column|stack)"


def _order(first: str, last: str, onward: str = "") -> str:
    """ "Lined up from left to right", "from the top down", "in a row, left to right", "from left: ..."."""
    way = rf"(?:from )?(?:the )?{first}[- ]to[- ](?:the )?{last}|from (?:the )?{first}(?:(?= ?:){onward})"
    return rf"(?:(?:ordered|lined up|arranged|stacked) )?(?:{_IN_A_ROW},? )?(?:{way})(?:,? {_IN_A_ROW})?"


_COUNT = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[1-9]\d?)"
_EDGE = r"(?:top|upper|bottom|lower)(?:[- ](?:left|right))?|left|right"

# "from left to right: a cup, a fork, a spoon": each stands in the relation to the next; or all in a "grid" or "ring".
ORDER_EXPRESSIONS: dict[str, str] = {
    rf"(?:(?:arranged |laid out )?(?:in|as) )?(?:(?:a|the) )?{_COUNT}(?: ?[x×] ?| by |-by-){_COUNT} (?:grid|array)"
    "(?: of)?": "grid",
    rf"(?:(?:arranged |lined up )?in )?(?:a|the|{_COUNT}) (?:single |straight |neat |long )?"
    rf"(?:row|line|column)s? of {_COUNT}|(?:arranged )?in {_COUNT} (?:row|line|column)s": "grid",
    r"(?:arranged |placed )?(?:(?:counter|anti)[- ]?)?clockwise(?:(?= ?:)|,?(?: starting)? (?:from|at|in) (?:the )?"
    rf"(?:{_EDGE})(?: corner)?)": "ring",
    "in (?:a|one) (?:single |straight |horizontal )?(?:row|line)(?! of)": "left of",
    _order("left", "right"): "left of",
    _order("right", "left"): "right of",
    _order("top", "bottom", "| down") + "|in (?:a|one) (?:single |straight |vertical )?column": "above",
    _order("bottom", "top", "| up"): "below",
    _order("front", "back"): "in front of",
    _order("back", "front"): "behind",
}
# Other expressions of several words, by their kind; the idle ones only look like places.
_PLAIN_EXPRESSIONS = {
    "each other": "each other|one another",
    "join": "as well as",
    "idle": "in (?:its |their )?turn|all over",
}


@dataclass(frozen=True)
class FoundExpression:
    """
    An expression in a text, characters `start` to `end`. Its `kind` is "cue" (`row` of the lexicon), "order" (the
    relation of each to the next, or "grid", with its `shape`, or "ring"), "each other", "join" or "idle".
    """

    kind: str
    start: int
    end: int
    row: SpatialExpression | None = None
    order: str = ""
    shape: tuple[int, int] = (0, 0)


def _compiled(pattern: str) -> re.Pattern:
    start = "" if pattern.startswith("(?:'s") else r"(?<![\w-])"
    return re.compile(start + "(?:" + pattern.replace(" ", r"\s+").replace(r"\s+?", r"\s*") + r")(?![\w-])")


_COMPILED_LEXICON = [(_compiled(pattern), "order", None, order) for pattern, order in ORDER_EXPRESSIONS.items()]
_COMPILED_LEXICON += [(_compiled(row.pattern), "cue", row, "") for row in SPATIAL_LEXICON]
_COMPILED_LEXICON += [(_compiled(pattern), kind, None, "") for kind, pattern in _PLAIN_EXPRESSIONS.items()]


@lru_cache(maxsize=64)  # of a prompt and of its parts
def spatial_expressions(text: str) -> tuple[FoundExpression, ...]:
    """What of the lexicon a lower-case text holds, in order; of several matches the first, then the longest."""
    found = [
        FoundExpression(kind, *match.span(), row, order, grid_shape(match.group()) if order == "grid" else (0, 0))
        for pattern, kind, row, order in _COMPILED_LEXICON
        for match in pattern.finditer(text)
    ]
    found = [expression for expression in found if prod(expression.shape) <= MOST_INSTANCES]
    chosen: list[FoundExpression] = []
    for expression in sorted(found, key=lambda expression: (expression.start, -expression.end)):
        if not chosen or expression.start >= chosen[-1].end:
            chosen.append(expression)
    return tuple(chosen)


def lowered(text: str) -> str:
    """Lower case with every character in its place ("İ".lower() has two)."""
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


# Where expressions have their landmark that need none to follow.
PLACES_ALONE: frozenset[str] = frozenset("none picture row column depth".split())
# Words that begin a new clause or another item, and what may stand between an expression and its landmark.
CLAUSE_WORDS: frozenset[str] = frozenset("while whereas where as but when although though then".split())
WITH_WORDS: frozenset[str] = frozenset("with having has have had featuring including plus".split())
RELATIVE_WORDS: frozenset[str] = frozenset("which that who".split())
JOINING_WORDS: frozenset[str] = frozenset("and , & or nor".split())
SENTENCE_ENDS: frozenset[str] = frozenset(".!?;\n")
CLAUSE_BOUNDS: frozenset[str] = CLAUSE_WORDS | JOINING_WORDS | WITH_WORDS | SENTENCE_ENDS
NEGATING_WORDS: frozenset[str] = frozenset("not n't neither".split())
FILLERS: frozenset[str] = frozenset(
    "both each all either of the a an of's just also two very same only directly in turn itself themselves".split()
)
PERSON_PRONOUNS: frozenset[str] = frozenset("he him his she her hers".split())
THING_PRONOUNS: frozenset[str] = frozenset("it its it's".split())
GROUP_PRONOUNS: frozenset[str] = frozenset("they them their theirs".split())
# Pronouns that mean the same one.
PRONOUN_CLASSES: dict[str, str] = {
    word: kind for kind in ("he him his", "she her hers", "it its it's", "they them their") for word in kind.split()
}
POINTING_PRONOUNS: dict[str, int] = {"that": 0, "latter": 0, "former": 1}  # how many mentions lie between


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
