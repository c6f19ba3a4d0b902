"""What generated prompts name: things, and what comes with them, from word lists and from the marked prompts."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import nouns
from markup import LATER, Marked

from spacetime_attn.layout.words import singular


NUMERALS = dict(enumerate("zero one two three four five six seven eight nine ten eleven twelve".split()))
_ARTICLE = re.compile(r"(?:a|an|the|some|his|her|its|their|one|my|your|this|that)\s+", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?] )[A-Z][^.!?\n]{20,160}[.!?](?=\s|$)")
_PLAIN = re.compile(r"[a-z][a-z '-]*[a-z]")
_PERSONS = {*nouns.PEOPLE, "man", "woman", "boy", "girl", "child", "kid", "person", "lady", "guy"}
_PRONOUNS = {
    word: who
    for who, words in {"man": "he him his", "woman": "she her hers", "thing": "it its"}.items()
    for word in words.split()
}


@dataclass(frozen=True)
class Name:
    """
    Args:
        text (`str`): Without an article: "rusty old bicycle".
        noun (`str`): Its last word, or words: "bicycle".
        plural (`bool`): Whether it is several.
        person (`bool`): Whether it wears clothes.
        who (`str`): How one speaks of it: as of a "man", a "woman" or a "thing".
    """

    text: str
    noun: str
    plural: bool = False
    person: bool = False
    who: str = "thing"

    def counted(self, count: int) -> "Name":
        """The name of so many of them, if it is of one."""
        if count < 2 or self.plural:
            return self
        many = plural_of(self.noun)
        return replace(self, text=self.text.removesuffix(self.noun) + many, noun=many, plural=True)


class Stock:
    """
    Args:
        marked (`Iterable[Marked]`): Whose things, parts, clothes and surroundings may be named again elsewhere.
        styles (`list[str]`): Words and phrases of style.
        artists (`list[str]`): Names.
    """

    def __init__(self, marked: Iterable[Marked], styles: list[str], artists: list[str]):
        self.styles, self.artists = styles, artists
        self.comments: list[str] = []  # sentences that name nothing
        self._things: list[Name] = []
        self._spoken: dict[str, Counter] = defaultdict(Counter)  # of nouns, how the marked prompts speak of them
        self._others: dict[str, list[str]] = {kind: [] for kind in ("place", "part", "worn", "stuff", "absent")}
        for record in marked:
            self._listen(record)
            self.comments += _comments(record)
            for mention in record.mentions:
                text = _ARTICLE.sub("", record.prompt[mention.start : mention.end], count=1)
                if not _PLAIN.fullmatch(text) or len(text.split()) > 5:
                    continue
                if (
                    mention.label == "object"
                    and not mention.count
                    and " of " not in text
                    and "one" not in text.split()
                ):
                    noun = text.split()[-1]
                    is_plural = singular(noun) != noun or noun in nouns.PAIRS
                    self._things.append(Name(text, noun, is_plural, singular(noun) in _PERSONS))
                elif mention.label in self._others:
                    self._others[mention.label].append(text)

    def thing(self, dice: random.Random) -> Name:
        """Something to draw."""
        if dice.random() < 0.45 and self._things:
            name = dice.choice(self._things)
            return replace(name, who=self._who(singular(name.noun), dice))
        noun = dice.choice(dice.choice([nouns.COCO, nouns.COCO_SYNONYMS, nouns.NOUNS, nouns.NOUNS, nouns.NOUNS]))
        words = [self.adjective(dice) for _ in range(dice.choice([0, 0, 1, 1, 1, 2]))]
        return Name(" ".join([*words, noun]), noun, noun in nouns.PAIRS, noun in _PERSONS, self._who(noun, dice))

    def _listen(self, record: Marked) -> None:
        """Counts the pronouns for each noun."""
        nouns_of = {}
        for mention in record.mentions:
            words = record.prompt[mention.start : mention.end].lower().split()
            if mention.label == "object":
                nouns_of[mention.things[0]] = singular(words[-1])
            elif mention.label == LATER and words[0] in _PRONOUNS and mention.things[0] in nouns_of:
                self._spoken[nouns_of[mention.things[0]]][_PRONOUNS[words[0]]] += 1

    def _who(self, noun: str, dice: random.Random) -> str:
        """As the marked prompts' pronouns for it, or what one would guess: of persons where they have none."""
        said = self._spoken[noun]
        if noun not in _PERSONS:
            said = said + Counter(["thing"])
        elif not said["man"] + said["woman"]:
            said = Counter(["man", "woman"])
        return dice.choices(list(said), list(said.values()))[0]

    def single(self, dice: random.Random) -> Name:
        """Something of which there may be several."""
        while (name := self.thing(dice)).plural:
            pass
        return name

    def other(self, kind: str, dice: random.Random) -> str:
        """The name of a place, part, garment, stuff or of what is absent, without an article."""
        return dice.choice(self._others[kind])

    def adjective(self, dice: random.Random) -> str:
        """A colour, a material, or another word before a noun."""
        return dice.choice(dice.choice([nouns.COLOURS, nouns.ADJECTIVES, nouns.MATERIALS, nouns.PARTICIPLES]))


def _comments(record: Marked) -> list[str]:
    """The sentences of a prompt that hold no mention."""
    return [
        found.group()
        for found in _SENTENCE.finditer(record.prompt)
        if not any(mention.start < found.end() and found.start() < mention.end for mention in record.mentions)
    ]


def plural_of(name: str) -> str:
    """The plural of a noun of one or more words: "wine glasses", "mice"."""
    first, _, last = name.rpartition(" ")
    if last in nouns.IRREGULAR_PLURALS:
        last = nouns.IRREGULAR_PLURALS[last]
    elif last.endswith(("s", "sh", "ch", "x", "z")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{first} {last}".strip()
