"""Writes a text and marks what it names: `Scribe`."""

import random
import re
import string

from markup import LATER, Marked, Mention

from stock import NUMERALS, Name, Stock


class Scribe:
    """
    A text in the making.

    Args:
        dice (`random.Random`): All chance.
        stock ([`Stock`]): What there is to name.
        bare (`bool`): Whether things have no articles, as in tags.
    """

    def __init__(self, dice: random.Random, stock: Stock, bare: bool = False):
        self.dice, self.stock, self.bare = dice, stock, bare
        self.text = ""
        self.mentions: list[Mention] = []
        self.statements: list[tuple[str, ...]] = []
        self.names: dict[str, Name] = {}

    def say(self, words: str) -> None:
        """Adds words; where a sentence begins, with a capital."""
        self.text += _capitalised(words) if re.search(r"(^|[.!?] )$", self.text) and not self.bare else words

    def mark(self, words: str, label: str, *things: str, count: int = 0) -> None:
        """Adds words that are a mention of things."""
        start = len(self.text)
        self.say(words)
        self.mentions.append(Mention(things, label, start, len(self.text), count))

    def state(self, subject: str, what: str, *objects: str) -> None:
        self.statements.append((subject, what, *objects))

    def new_id(self) -> str:
        number = len(self.names)
        letters = string.ascii_lowercase
        return letters[number] if number < 26 else letters[number // 26 - 1] + letters[number % 26]

    def thing(
        self, name: Name | None = None, count: int = 0, article: str | None = None, label: str = "object"
    ) -> str:
        """Names a new thing; returns its id."""
        name = name or self.stock.thing(self.dice)
        thing = self.new_id()
        self.names[thing] = name = name.counted(count)
        self.mark(self._with_determiner(name, count, article), label, thing, count=count if count > 1 else 0)
        return thing

    def _with_determiner(self, name: Name, count: int, article: str | None) -> str:
        if count > 1:
            number = self.dice.choice([NUMERALS[count], NUMERALS[count], str(count)])
            return f"{self.dice.choice(['the ', '', '', '']) if not self.bare else ''}{number} {name.text}"
        if article is None:
            choices = (
                ("", "some ", "the ")
                if name.plural
                else ("a ", "a ", "the ", "the ") + ("one ",) * (self.dice.random() < 0.1)
            )
            article = "" if self.bare and self.dice.random() < 0.9 else self.dice.choice(choices)
        if article == "a ":
            article = "an " if name.text[0] in "aeiou" else "a "
        return article + name.text

    def again(self, *things: str, form: str = "any") -> None:
        """Speaks of known things again: `form` "pronoun", "subject", "possessive", "definite" or "any"."""
        names = [self.names[thing] for thing in things]
        many = len(names) > 1 or names[0].plural
        if form == "any":
            form = self.dice.choice(["pronoun", "definite", "definite"])
        if form == "definite":
            words = self._definite(names)
        else:
            row = "plural" if many else names[0].who
            words = {
                "pronoun": {"plural": "them", "man": "him", "woman": "her", "thing": "it"},
                "subject": {"plural": "they", "man": "he", "woman": "she", "thing": "it"},
                "possessive": {"plural": "their", "man": "his", "woman": "her", "thing": "its"},
            }[form][row]
        self.mark(words, LATER, *things)

    def _definite(self, names: list[Name]) -> str:
        if len(names) > 1:
            return self.dice.choice(
                ["them", "both", "the two", "them both"] if len(names) == 2 else ["them", "all of them"]
            )
        name = names[0]
        is_only = sum(other.noun == name.noun for other in self.names.values()) == 1
        noun = name.noun if is_only and self.dice.random() < 0.7 else name.text
        other = "" if self.bare else "those " if name.plural else "that "
        return self.dice.choice(["the ", "the ", "the ", other]) + noun

    def marked(self, style: str) -> Marked:
        return Marked(self.text, style, self.mentions, self.statements)


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]
