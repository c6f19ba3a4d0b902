"""English nouns and noun phrases: closed classes that build them; singular, plural, article; head and modifiers."""

import re


def collect_words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


DETERMINERS = collect_words(
    "a an the its their his her my your our some any this that these those another other each every both all no"
    " several many few more most such neither either enough what which one"
)
NUMERALS = collect_words("two three four five six seven eight nine ten eleven twelve couple pair trio quartet dozen")
_LARGE_NUMBERS = collect_words("twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million")
_RANKS = collect_words("first second third next last remaining")
# "A <measure> of <things>" is about the things.
MEASURES = collect_words(
    "pair couple trio bunch piece slice group set stalk stem sprig head herd flock pack swarm school flight litter"
    " row line pile stack heap bundle cluster clump collection assortment selection variety array series range"
    " number lot plenty handful dozen kind type sort loaf wedge chunk bit cube clove ear bar stick strip sheet roll"
    " scoop crowd team crew bouquet string fleet load batch block drop bale quartet grid suit ring circle column"
)

# Plurals that name one thing: "a pair of scissors" is one object, "two scissors" are two pairs.
PLURAL_ONLY = collect_words(
    "scissors glasses sunglasses goggles spectacles jeans pants trousers shorts tights leggings pajamas overalls"
    " pliers tweezers tongs shears clippers binoculars headphones bellows stairs scrubs dungarees"
)
# "A pair of shoes" is one object, "two shoes" are two.
PAIRED_THINGS = PLURAL_ONLY | collect_words(
    "skis shoes boots sneakers sandals slippers socks gloves mittens earphones earbuds earrings chopsticks skates"
    " stilts crutches handcuffs stockings heels flippers dice drumsticks pads clogs loafers moccasins cufflinks"
)
INVARIANT_PLURALS = collect_words(
    "sheep deer fish cattle aircraft spacecraft salmon trout moose bison elk shrimp squid"
)
_IRREGULAR_PLURALS = {
    "men": "man", "women": "woman", "people": "person", "children": "child", "mice": "mouse", "geese": "goose",
    "feet": "foot", "teeth": "tooth", "leaves": "leaf", "shelves": "shelf", "knives": "knife", "loaves": "loaf",
    "wolves": "wolf", "calves": "calf", "halves": "half", "scarves": "scarf", "hooves": "hoof", "wives": "wife",
    "elves": "elf", "dwarves": "dwarf", "thieves": "thief", "oxen": "ox", "cacti": "cactus", "octopi": "octopus",
    "dice": "die", "policemen": "policeman", "firemen": "fireman", "snowmen": "snowman", "fishermen": "fisherman",
    "axes": "axe", "tvs": "tv", "cds": "cd", "pcs": "pc", "headscarves": "headscarf",
    "quizzes": "quiz",
}  # fmt: skip
# Plurals whose singular is all but the -s.
_ONLY_S_ADDED = collect_words(
    "cookies movies brownies zombies hoodies selfies smoothies magpies genies hippies pixies collies"
    " rookies birdies budgies prairies eyries boogies veggies quickies cowries neckties bowties potpies foodies"
    " goalies onesies beanies toes canoes shoes hoes oboes foes roes floes horseshoes snowshoes tiptoes mustaches"
    " moustaches caches quiches brioches avalanches headaches toothaches niches creches pastiches porsches menus gurus"
    " emus gnus tutus zebus bayous caribous haikus taxis saris bikinis kiwis martinis zucchinis paninis samurais"
    " rabbis alibis jacuzzis salamis sushis tsunamis broccolis okapis fuses muses ruses excuses recluses abuses"
    " misuses hypotenuses"
)
# Words in -s, other than in -ss, that are no plurals.
_SINGULAR_IN_S = PAIRED_THINGS | collect_words(
    "gas lens christmas canvas atlas iris news tennis series species rhinoceros clothes thermos"
)
# "a" before these although they begin with a vowel letter; "an" although with a consonant letter.
_SOUNDS_LIKE_CONSONANT = ("uni", "use", "usu", "eu", "one", "once", "ufo", "ukulele", "utensil", "urin")
_SOUNDS_LIKE_VOWEL = ("hour", "honest", "honor", "honour", "heir", "mp3", "x-ray", "unide", "unin")

_US_AND_ES = re.compile(r"[^aeou]uses$")  # but "houses"
_WORD = re.compile(r"<[^<>\s]+>|\w+(?:['’.-]\w+)*(?:['’](?!\w))?")
_COUNT_IN_TAG = re.compile(r"\d+\+?(?=[a-z]{3})")  # "1girl", "6+cats"


def singular(word: str) -> str:
    """The singular of a lower-case English noun."""
    if word in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[word]
    if word in _ONLY_S_ADDED:
        return word[:-1]
    if word in _SINGULAR_IN_S or not word.endswith("s") or word.endswith(("ss", "us", "is")) or len(word) < 4:
        return word
    if word.endswith("es") and word[:-2] in _SINGULAR_IN_S or _US_AND_ES.search(word):  # "gases", "octopuses"
        return word[:-2]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zzes", "oes")):
        return word[:-2]
    return word[:-1]


def counted_singular(word: str) -> str:
    """What one of "two shoes" is: a "shoe"; of "two scissors", a "pair of scissors"."""
    if word == "glasses":  # drinking glasses, where they are counted
        return "glass"
    if word in PLURAL_ONLY:
        return f"pair of {word}"
    return word[:-1] if word in PAIRED_THINGS and word not in _IRREGULAR_PLURALS else singular(word)


def with_article(noun: str) -> str:
    """`"apple"` -> `"an apple"`."""
    word = noun.lower()
    vowel = word.startswith(_SOUNDS_LIKE_VOWEL) or word[:1] in "aeiou" and not word.startswith(_SOUNDS_LIKE_CONSONANT)
    return f"{'an' if vowel else 'a'} {noun}"


def is_plural(word: str) -> bool:
    """Whether a lower-case noun names several things, or has no singular ("scissors")."""
    return word in INVARIANT_PLURALS or word in PAIRED_THINGS or singular(word) != word


def head_and_modifiers(phrase: str) -> tuple[str, frozenset[str]]:
    """
    The noun of a phrase, lower-case and in the singular, and its other words without articles and numerals: "bed",
    {"silver"}. "A cup of tea" is a cup, "a flock of birds" and "two of the birds" are birds.
    """
    words = [_COUNT_IN_TAG.sub("", word.lower()) for word in _WORD.findall(phrase)]
    if not words:
        return phrase.strip().lower(), frozenset()
    place = _head(words)
    others = {word for number, word in enumerate(words) if number != place and word.isalpha()}
    return singular(words[place].strip("<>")), frozenset(others - DETERMINERS - NUMERALS - {"of"})


def one_of(phrase: str) -> str:
    """What names one of several things: "two black dogs" -> "a black dog", "two cups of tea" -> "a cup of tea"."""
    tokens = list(_WORD.finditer(phrase))
    words = [token.group().lower() for token in tokens]
    if not words:
        return phrase
    first, head = 0, _head(words)
    while first < head and _counts(words, first):
        first += 1
    counted = next((n for n in range(first, head) if _measures(words, n)), head)
    start, noun = tokens[first].start(), tokens[counted]
    name = counted_singular(_COUNT_IN_TAG.sub("", noun.group().lower()))
    rest = phrase[start : noun.start()] + name + phrase[noun.end() :]
    return with_article(rest)


def _counts(words: list[str], place: int) -> bool:
    """Whether a word before the noun only tells how many there are."""
    word, following = words[place], words[place + 1]
    if word == "half":  # "half a dozen"
        return following in ("a", "dozen")
    if word in _RANKS:  # "the first two"
        return _is_number(following)
    if _measures(words, place):  # "a flock of birds", "two rows of three cups", but "two slices of pizza"
        return not is_plural(word) or place + 2 < len(words) and _is_number(words[place + 2])
    return word in DETERMINERS or _is_number(word) or word == "of"


def _is_number(word: str) -> bool:
    return word in NUMERALS or word in _LARGE_NUMBERS or word.isdecimal()


def _measures(words: list[str], place: int) -> bool:
    return singular(words[place]) in MEASURES and words[place + 1] == "of"


def _head(words: list[str]) -> int:
    """Which of them is the noun: the last before "of", or of what a measure or a number before it measures."""
    start = 0
    while "of" in words[start + 1 : -1]:
        place = words.index("of", start + 1)
        if not (_measures(words, place - 1) or words[place - 1] in DETERMINERS or _is_number(words[place - 1])):
            return place - 1
        start = place
    return len(words) - 1
