"""Noun phrases: the things that captions place."""

import vocabulary as words
from dice import Dice
from trees import Node, case, comma, conjunction


PLURAL_DETERMINERS = {*words.COUNTS, *words.PLURAL_DETERMINERS, "the two"}
_DETERMINER_TAGS = {
    **{owner: ("PRP$", "nmod:poss") for owner in ("his", "her", "their", "its", "my")},
    **{amount: ("JJ", "amod") for amount in ("several", "many", "few")},
    **{count: ("CD", "nummod") for count in words.COUNTS + ["one"]},
    "all": ("PDT", "det:predet"),
}


class Things:
    """Makes noun phrases: "the bus", "two ripe apples", "a cup of coffee", "the man's hat"."""

    def __init__(self, dice: Dice):
        self._dice = dice

    def thing(self, determiner: str | None = None) -> Node:
        """A noun phrase, with the given determiner or one that fits."""
        roll = self._dice.roll()
        if roll < 0.08:
            return self._measured(self._determiner() if determiner is None else determiner)
        if roll < 0.13:
            noun = _noun(self._dice.pick(words.MASS), "NN")
            fitting = self._dice.pick(["some", "the", "", "", "his"])
            return self._describe(noun, fitting if determiner is None else determiner)
        if roll < 0.16:
            noun = _noun(self._dice.pick(words.PAIRS), "NNS")
            fitting = self._dice.pick(["some", "the", "", "his"])
            return self._describe(noun, fitting if determiner is None else determiner)
        if determiner is None:
            determiner = self._determiner()
        plural = determiner in PLURAL_DETERMINERS or determiner in ("the", "", "his", "no") and self._dice.chance(0.15)
        return self._describe(_noun(self._name(), "NNS" if plural else "NN"), determiner)

    def owner(self) -> Node:
        """ "the puppy's"."""
        names = self._dice.pick([words.PEOPLE, words.ANIMALS, words.COCO, words.NOUNS])
        owner = _noun(self._dice.pick(names), "NN").under("nmod:poss")
        return owner.lead(*determiners(self._dice.pick(["the", "a"]))).add(Node("'s", "POS", "case"))

    def join(self, first: Node, others: list[Node], link: str = "and") -> Node:
        """ "A, B and C": every further thing is a conjunct of the first."""
        for thing in others[:-1]:
            first.add(thing.under("conj").lead(comma()))
        last = others[-1].under("conj").lead(conjunction(link))
        if len(others) > 1 and self._dice.chance(0.4):
            last.lead(comma())
        return first.add(last)

    def listing(self) -> Node:
        """ "a cat, two dogs and a bench", also without commas."""
        first = self.thing()
        others = [self.thing() for _ in range(self._dice.pick([1, 1, 1, 2, 2, 3]))]
        if self._dice.chance(0.75):
            return self.join(first, others, self._dice.pick(["and"] * 6 + ["or", "&"]))
        for thing in others:
            first.add(thing.under("conj").lead(*([comma()] if self._dice.chance(0.6) else [])))
        return first

    def _name(self) -> str:
        nouns = self._dice.pick([words.COCO, words.COCO, words.COCO_SYNONYMS, words.NOUNS, words.NOUNS, words.NOUNS])
        return self._dice.pick(nouns)

    def _determiner(self) -> str:
        if self._dice.bare:
            return self._dice.pick(["", "", "", "two", "three"])
        plural = [self._dice.pick(words.COUNTS), self._dice.pick(words.PLURAL_DETERMINERS)]
        rare = self._dice.pick(words.RARE_DETERMINERS)
        return self._dice.pick(["a"] * 8 + ["the"] * 8 + [""] * 2 + plural + [rare])

    def _describe(self, noun: Node, determiner: str) -> Node:
        """Adds materials, adjectives and the determiner to a noun."""
        if self._dice.chance(0.1):
            noun.lead(Node(self._dice.pick(words.MATERIALS), "NN", "compound"))
        noun.lead(*self._adjectives())
        return noun.lead(self.owner()) if determiner == "'s" else noun.lead(*determiners(determiner))

    def _adjectives(self) -> list[Node]:
        """None to two modifiers, sometimes parted by a comma; or two colours joined by "and"."""
        roll = self._dice.roll()
        if roll < 0.42:
            return []
        if roll < 0.48:
            return [self._two_colours()]
        if roll < 0.82:
            return [self._adjective()]
        return [self._adjective(), *([comma()] if self._dice.chance(0.3) else []), self._adjective()]

    def _two_colours(self) -> Node:
        """ "black and white", "black-and-white"."""
        first, second = self._dice.sample(words.COLOURS, 2)
        last = Node(second, "JJ", "conj").lead(conjunction())
        if self._dice.chance(0.2):
            last.before[:] = [_hyphen(), conjunction(), _hyphen()]
        return Node(first, "JJ", "amod").add(last)

    def _adjective(self) -> Node:
        roll = self._dice.roll()
        if roll < 0.4:
            colour = Node(self._dice.pick(words.COLOURS), "JJ", "amod")
            return colour.lead(Node(self._dice.pick(words.SHADES), "JJ", "amod")) if self._dice.chance(0.1) else colour
        if roll < 0.75:
            plain = Node(self._dice.pick(words.ADJECTIVES), "JJ", "amod")
            return plain.lead(Node("very", "RB", "advmod")) if self._dice.chance(0.06) else plain
        if roll < 0.78:
            first, second = self._dice.pick(words.HYPHENATED)
            hyphen = [_hyphen()] if self._dice.chance(0.6) else []
            return Node(second, "VBN", "amod").lead(Node(first, "NN", "compound"), *hyphen)
        participle = self._dice.pick(words.PARTICIPLES)
        node = Node(participle, "VBG" if participle.endswith("ing") else "VBN", "amod")
        return node.lead(Node(self._dice.pick(words.DEGREES), "RB", "advmod")) if self._dice.chance(0.1) else node

    def _measured(self, determiner: str) -> Node:
        """ "a bunch of ripe bananas", "two slices of pizza", "a pair of scissors"."""
        measure, content = self._dice.pick([
            (self._dice.pick(words.PLURAL_MEASURES), _noun(self._name(), "NNS")),
            (self._dice.pick(words.MASS_MEASURES), _noun(self._dice.pick(words.MASS), "NN")),
            (self._dice.pick(words.SLICES), _noun(self._dice.pick(words.SLICED), "NN")),
            ("pair", _noun(self._dice.pick(words.PAIRS), "NNS")),
        ])
        plural = determiner in PLURAL_DETERMINERS
        node = Node(plural_of(measure) if plural else measure, "NNS" if plural else "NN")
        if self._dice.chance(0.2):
            node.lead(self._adjective())
        node.lead(*determiners("the" if determiner == "'s" else determiner))
        return node.add(self._describe(content, "").under("nmod").lead(*case("of")))


def determiners(text: str) -> list[Node]:
    """The words of a determiner, "the two" for example, as dependents of a noun."""
    return [Node(word, *_DETERMINER_TAGS.get(word, ("DT", "det"))) for word in text.split()]


def plural_of(name: str) -> str:
    """The plural of a noun of one or more words: "wine glasses", "mice"."""
    first, _, last = name.rpartition(" ")
    if last in words.IRREGULAR_PLURALS:
        last = words.IRREGULAR_PLURALS[last]
    elif last.endswith(("s", "sh", "ch", "x", "z")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{first} {last}".strip()


def _noun(name: str, tag: str) -> Node:
    """The noun of a thing, with the other words of a compound name in front."""
    if tag == "NNS" and name not in words.PAIRS:
        name = plural_of(name)
    *modifiers, last = name.split()
    return Node(last, tag).lead(*map(_modifier_in_name, modifiers))


def _modifier_in_name(word: str) -> Node:
    if word in words.ADJECTIVES_IN_NAMES:
        return Node(word, "JJ", "amod")
    if word in words.PARTICIPLES_IN_NAMES:
        return Node(word, "VBN", "amod")
    return Node(word, "NN", "compound")


def _hyphen() -> Node:
    return Node("-", "HYPH", "punct")
