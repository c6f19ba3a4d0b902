"""Sentences that say where things are, with their reading: `Grammar`."""

import random
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from markup import LATER, Marked
from phrases import (
    AFTER,
    BE,
    HAVE,
    INVERTED_PRONOUNS,
    PLACES_SAID,
    PREPOSITIONS,
    SAYINGS,
    STANDING,
    VERBS,
    WITH_PRONOUN,
)
from scribe import Scribe

from spacetime_attn.layout.vocabulary import OPPOSITES, PLACES
from stock import Name, Stock


_SLOT = re.compile(r"\{([^}]+)\}")
_RELATIONS = {
    "left of": 5, "right of": 5, "above": 4, "below": 4, "on": 3, "inside": 2, "next to": 3, "touching": 1,
    "far from": 1, "in front of": 3, "behind": 3,
}  # fmt: skip
_HEADING = re.compile(r"\[(\d+)\] .*")
_JOINTS = [(8, ". "), (1, "; "), (2, ", and "), (2, " while "), (2, ", "), (1, " and "), (1, " - "), (1, "\n")]


class Grammar:
    """
    Args:
        stock ([`Stock`]): What there is to name.
        dice (`random.Random`): All chance.
    """

    def __init__(self, stock: Stock, dice: random.Random):
        self.stock, self.dice = stock, dice

    def text(self) -> Marked:
        """One to a few sentences, or a long description, with sentences that name nothing between them."""
        more = self.dice.choice([0.2, 0.35, 0.35, 0.8])
        scribe = Scribe(self.dice, self.stock, bare=self.dice.random() < 0.2)
        topic = None
        while True:
            begun = len(scribe.mentions)
            _Sentence(scribe, topic).write()
            topic = next((mention.things[0] for mention in scribe.mentions[begun:] if mention.things), topic)
            if self.dice.random() > more or len(scribe.names) > 16:
                break
            scribe.text += _weighted(self.dice, _JOINTS)
            if scribe.text.endswith(". ") and self.dice.random() < 0.15:
                scribe.text += self.dice.choice(self.stock.comments) + " "
        if self.dice.random() < 0.12:
            scribe.say(self.dice.choice([" in ", ", in ", ", ", " on ", " at "]))
            name_other(scribe, "place")
        if self.dice.random() < 0.6 and not scribe.bare:
            scribe.text += "."
        return scribe.marked("grammar")


class _Sentence:
    """
    One pattern, filled in; a later sentence may speak of earlier things. Pronouns do so only of what the sentence
    before began with, its `topic`: nobody could know that "it" is anything else.
    """

    def __init__(self, scribe: Scribe, topic: str | None):
        self.scribe, self.dice, self.stock = scribe, scribe.dice, scribe.stock
        pattern, said = self.dice.choice(_weighted(self.dice, _patterns()))
        self.pattern, self.said = pattern.strip(), [line.split() for line in said.split(";") if line.strip()]
        self.things: dict[str, str] = {}  # the pattern's letters, and ids
        self.words: dict[str, str] = {}  # its capitals, and relations or places
        self.group: str | None = None
        self.vague: str | None = None  # the thing that no pronoun may stand for, before it is named in this sentence
        if topic and self.dice.random() < 0.75:
            members = {subject for subject, what, *_ in scribe.statements if what == "member"}
            known = [thing for thing in scribe.names if thing not in members]
            self._bind(topic if self.dice.random() < 0.4 and topic in known else self.dice.choice(known), topic)

    def _bind(self, thing: str, topic: str) -> None:
        """One of the letters is a thing that was named before."""
        together = set("".join(re.findall(r"[a-f]\+[a-f]", self.pattern)))  # which a pronoun stands for
        letters = [letter for letter in re.findall(r"\{([a-f])\}", self.pattern) if letter not in together]
        if letters:
            self.things[self.dice.choice(letters)] = thing
            self.vague = thing if thing != topic else None

    def write(self) -> None:
        position = 0
        for slot in _SLOT.finditer(self.pattern):
            self.scribe.say(self.pattern[position : slot.start()])
            self._fill(slot[1])
            position = slot.end()
        self.scribe.say(self.pattern[position:])
        for subject, *what in self.said:
            self._state(subject, what)

    def _state(self, subject: str, what: list[str]) -> None:
        head, *rest = what
        if what in (["at", "lat"], ["at", "tal"]):
            self.scribe.state(self.things[subject], "at", self._relation(rest[0]).removesuffix(" of"))
        elif head[0] in "PQO":
            self.scribe.state(self.things[subject], "at", self._word(head, PLACES))
        elif head in ("at", "as"):
            self.scribe.state(self.things[subject], head, " ".join(rest))
        else:
            others = [self.things[letter] for letter in rest if len(letter) == 1]
            if head == "of" or len(head) == 1 or head in ("R2", "lat", "tal"):
                relation = head if head == "of" else self._relation(head)
            else:
                relation = " ".join(word for word in what if len(word) > 1)
            self.scribe.state(self.things[subject], relation, *others)

    def _fill(self, slot: str) -> None:
        for test, fill in _FILLERS:
            if match := test.fullmatch(slot):
                fill(self, *match.groups())
                return
        raise ValueError(f"unknown slot {slot!r} in {self.pattern!r}")

    def _name(self, letter: str) -> None:
        if letter in self.things:
            form = "subject" if self._begins() else "any"
            if form == "any" and f"{{{letter}}} {{{letter}:" in self.pattern:  # "they are", not "them are"
                form = self.dice.choice(["subject", "definite", "definite"])
            self._again(self.things[letter], form)
            return
        roll = self.dice.random()
        other = self._namesake() if roll < 0.12 else self._lookalike() if roll < 0.24 else None
        self.things[letter] = self.scribe.thing(other)
        self._company(self.things[letter])

    def _again(self, thing: str, form: str) -> None:
        self.scribe.again(thing, form="definite" if thing == self.vague else form)
        if thing == self.vague:
            self.vague = None

    def _one(self, letter: str) -> None:
        """ "A cat a dog": an article alone keeps them apart."""
        self.things[letter] = self.scribe.thing(self.stock.single(self.dice), article="a ")

    def _namesake(self) -> Name | None:
        """Another thing of a kind that was named: after "the green book" a "red book"."""
        described = self._described()
        if not described:
            return None
        other = self.dice.choice(described)
        text = f"{self.stock.adjective(self.dice)} {other.noun}"
        return None if text in {name.text for name in described} else replace(other, text=text)

    def _lookalike(self) -> Name | None:
        """Another thing of which the same is said: after "the blue cat" a "blue bird"."""
        described = self._described()
        if not described:
            return None
        other, name = self.dice.choice(described), self.stock.single(self.dice)
        return replace(name, text=f"{other.text.removesuffix(other.noun)}{name.noun}")

    def _described(self) -> list[Name]:
        names = self.scribe.names.values()
        return [name for name in names if name.text != name.noun and not name.plural]

    def _begins(self) -> bool:
        return bool(re.search(r"(^|[.;!?] )$", self.scribe.text)) and self.dice.random() < 0.4

    def _company(self, thing: str) -> None:
        """Sometimes what belongs to a thing follows it: "in a blue coat", "with a red roof"."""
        roll = self.dice.random()
        if roll < 0.06:
            self._belonging("worn" if self.scribe.names[thing].person else "part", thing)
        elif roll < 0.07:
            self.scribe.say(" without ")
            self._absent()

    def _belonging(self, kind: str, owner: str, link: bool = True) -> None:
        if link:
            self.scribe.say(self.dice.choice([" in ", " wearing ", " with "] if kind == "worn" else [" with "]))
        self.scribe.state(name_other(self.scribe, kind), "of", owner)

    def _several(self, number: str, letter: str) -> None:
        amount = self.dice.choice([2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10, 12]) if number == "n" else int(number)
        self.things[letter] = self.group = self.scribe.thing(self.stock.single(self.dice), amount)

    def _collection(self, letter: str, form: str) -> None:
        """ "A row of five lamps", "a stack of books"."""
        amount = self.dice.choice([0, 0, 3, 4, 5, 6])
        name = self.stock.single(self.dice).counted(max(amount, 2))
        number = self.dice.choice([str(amount), f"{['', '', '', 'three', 'four', 'five', 'six'][amount]}"]) + " "
        text = f"{form} of {number if amount else ''}{name.text}"
        thing = self.things[letter] = self.scribe.new_id()
        self.scribe.names[thing] = name
        self.scribe.mark(f"a {text}", "object", thing, count=amount)

    def _member(self, letter: str, amount: str | None, words: str) -> None:
        thing = self.things[letter] = self.scribe.new_id()
        group = self.scribe.names[self.group]
        self.scribe.names[thing] = Name(group.text, group.noun, amount is not None, group.person, group.who)
        self.scribe.mark(words, "object", thing, count=int(amount or 0))
        self.scribe.state(thing, "member", self.group)

    def _absent(self) -> None:
        name = self.stock.other("absent", self.dice) if self.dice.random() < 0.4 else self.stock.thing(self.dice).text
        is_bare = self.scribe.text.lower().endswith((" no ", "no ", " any ", " of "))
        self.scribe.mark(name if is_bare else self._with_article(name), "absent")

    def _part(self, word: str, owner: str) -> None:
        """The head, the roof: of what is known or comes later."""
        words = word if self.scribe.text.endswith(("'s ", "its ", "his ", "her ", "their ")) else f"the {word}"
        self.things["p"] = self.scribe.new_id()
        self.scribe.names[self.things["p"]] = Name(word, word)
        self.scribe.mark(words, "part", self.things["p"])
        self.said.append(["p", "of", owner])

    def _bare_side(self, word: str) -> None:
        side = self._relation(word).removesuffix(" of")
        self.scribe.say(self.dice.choice([f"to the {side}", f"to the {side}", f"on the {side}", f"at the {side}"]))

    def _point_at(self, letter: str, words: str) -> None:
        """ "The former", "that"."""
        words = words if words == "that" else f"the {words}"
        self.scribe.mark(words, LATER, self.things.get(letter) or self._made(letter))

    def _speak_again(self, letters: str, form: str) -> None:
        forms = {"it": "pronoun", "they": "subject", "its": "possessive", "the": "definite", "any": "any"}
        things = [self.things.get(letter) or self._made(letter) for letter in letters.split("+")]
        if len(things) == 1:
            self._again(things[0], forms[form])
        else:
            self.scribe.again(*things, form=forms[form])

    def _made(self, letter: str) -> str:
        self._name(letter)
        return self.things[letter]

    def _verb(self, number: str, letter: str, verb: str) -> None:
        name = self.scribe.names.get(self.things.get(letter, ""))
        plural = bool(number) or verb in ("are", "stand") or (name is not None and name.plural)
        table = {"is": BE, "are": BE, "has": HAVE}.get(verb, STANDING)
        self.scribe.say(self.dice.choice(table)[plural])

    def _relation(self, word: str) -> str:
        if word == "tal":
            return OPPOSITES[self._relation("lat")]
        if word not in self.words:
            if word == "lat":
                self.words[word] = self.dice.choice(["left of", "right of"])
            elif word == "R2":
                self.words[word] = self.dice.choice(list(_RELATIONS))
            else:
                self.words[word] = self.dice.choices(list(_RELATIONS), list(_RELATIONS.values()))[0]
        return self.words[word]

    def _word(self, letter: str, choices) -> str:
        if letter not in self.words:
            taken = set(self.words.values())
            self.words[letter] = self.dice.choice([choice for choice in choices if choice not in taken])
        return self.words[letter]

    def _preposition(self, word: str) -> None:
        self.scribe.say(self.dice.choice(PREPOSITIONS[self._relation(word)]))

    def _with_pronoun(self, word: str, letter: str) -> None:
        """ "To its left", "above it"; sometimes "above the table"."""
        relation = self._relation(word)
        if letter not in self.things:
            self._name(letter)
        thing = self.things[letter]
        if relation in INVERTED_PRONOUNS and thing != self.vague and self.dice.random() < 0.55:
            self.scribe.say(self.dice.choice(INVERTED_PRONOUNS[relation]) + " ")
            self.scribe.again(thing, form="possessive")
            self.scribe.say(" " + self.dice.choice(AFTER[relation]))
            return
        self.scribe.say(self.dice.choice(WITH_PRONOUN.get(relation, PREPOSITIONS[relation])) + " ")
        self._again(thing, "pronoun" if self.dice.random() < 0.75 else "definite")

    def _by_verb(self, word: str) -> None:
        relation = self._word(word, VERBS)
        self.scribe.say(self.dice.choice(VERBS[relation]))

    def _which(self, word: str, letter: str = "b") -> None:
        """ "..., above which"."""
        self.scribe.say(self.dice.choice(PREPOSITIONS[self._relation(word)]) + " ")
        self.scribe.mark("which", LATER, self.things[letter])

    def _place(self, word: str) -> None:
        self.scribe.say(self.dice.choice(PLACES_SAID[self._word(word, PLACES)]))

    def _saying(self, word: str) -> None:
        self.scribe.say(self.dice.choice(SAYINGS[word]))

    def _surroundings(self) -> None:
        name_other(self.scribe, "place")

    def _of_member(self, kind: str, letter: str) -> None:
        self._belonging("part" if kind in "yz" else "worn", self.things[letter], link=False)

    def _with_article(self, text: str) -> str:
        return text if text.endswith("s") or self.dice.random() < 0.3 else f"a {text}"


@cache
def _patterns() -> list[tuple[int, list[tuple[str, str]]]]:
    """The tables of patterns.txt: how often each is taken, and its patterns with what they say."""
    tables: list[tuple[int, list[tuple[str, str]]]] = []
    for line in Path(__file__).with_name("patterns.txt").read_text(encoding="utf-8").splitlines():
        if heading := _HEADING.fullmatch(line):
            tables.append((int(heading[1]), []))
        elif line and not line.startswith("#"):
            pattern, _, said = line.partition("|")
            tables[-1][1].append((pattern, said))
    return tables


def name_other(scribe: Scribe, kind: str) -> str:
    """Names something that is no object; returns its id."""
    text = scribe.stock.other(kind, scribe.dice)
    return scribe.thing(Name(text, text.split()[-1], text.endswith("s")), label=kind)


def _weighted(dice: random.Random, table: list) -> object:
    weights, choices = zip(*table)
    return dice.choices(choices, weights)[0]


_FILLERS = [
    (re.compile(pattern), fill)
    for pattern, fill in [
        (r"([a-f])", _Sentence._name),
        (r"([a-f])\.one", _Sentence._one),
        (r"no", _Sentence._absent),
        (r"x", _Sentence._surroundings),
        (r"([yzvw])\.([mn])", _Sentence._of_member),
        (r"(\d|n)([a-f])", _Sentence._several),
        (r"n([a-f]):(row|stack)", _Sentence._collection),
        (r"([mno])(?:\*(\d))?:(.+)", _Sentence._member),
        (r"p:(\w+)\.([a-f])", _Sentence._part),
        (r"(lat|tal)\.bare", _Sentence._bare_side),
        (r"([a-f])\.(former|latter|that)", _Sentence._point_at),
        (r"([a-f+]+)\.(it|they|its|the|any)", _Sentence._speak_again),
        (r"(\d|n|)([a-f]):(is|are|has|stands|stand)", _Sentence._verb),
        (r"([RST]2?|lat|tal)", _Sentence._preposition),
        (r"([RST])\.([a-f])", _Sentence._with_pronoun),
        (r"([RST])\.verb", _Sentence._by_verb),
        (r"([RST])\.which", _Sentence._which),
        (r"([PQO])", _Sentence._place),
        (r"(,|and|put|standing|there|we see|draw|adj)", _Sentence._saying),
    ]
]
