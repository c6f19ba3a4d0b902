"""What of a language model's answer can be believed: `AnswerReader`."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile

from .conversation import LONGEST_ANSWER, LONGEST_PHRASE, MOST_OBJECTS, MOST_RELATIONS
from .holding import broken_relations, is_complete
from .objects import Thing
from .regions import Layout, Region, Relation
from .repair import inside_picture
from .words import DETERMINERS, NUMERALS, is_plural, singular


_MOST_DRAFTS = 8  # lists of objects that are read
_FARTHEST = 1e6  # no number that counts is larger
_SEPARATORS = re.compile(r"[\s,]*")
_FOR_EACH = frozenset(("each", "every"))  # "a car in each corner" may be four
_PLAIN_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class AnswerReader:
    """
    Makes layouts of answers, as far as these stand up to the prompt and to what the reader finds in it.

    Args:
        expected (`Layout`): What was read, placed by the rules.
        things (`Sequence[Thing]`): The same things.
        is_settled (`bool`): Whether there are just these things, whatever the answers say.
    """

    def __init__(self, expected: Layout, things: Sequence[Thing], is_settled: bool = False):
        self.expected, self.is_settled = expected, is_settled
        self.words = _words_of(expected.prompt)
        self.texts = [self.words, *map(_words_of, expected.phrases)]  # "the black one" may be read as "a black knight"
        self.repeated = list(map(_name_of, expected.phrases))
        self.heads = [singular(thing.head) for thing in things]
        self.names = [set(_words_of(" ".join([thing.head, *thing.modifiers]))) for thing in things]
        last_words = (thing.phrase.split()[-1].lower() for thing in things)
        self.uncounted = {index for index, word in enumerate(last_words) if is_plural(word)}  # "several cats"

    def read(self, answer: str) -> tuple[Layout, list[str]]:
        """
        What can be used of an answer, boxes not moved yet; and what is wrong with it, in sentences. If there are
        several lists of objects, the one that has most to do with the prompt counts, and of those the last.
        """
        parts = re.split(r'"objects"\s*:\s*\[', answer[:LONGEST_ANSWER])[1:]
        drafts = [self._layout(part) for part in reversed(parts[-_MOST_DRAFTS:])]
        nothing = Layout(prompt=self.expected.prompt), ["The answer has no list of objects."]
        return max(drafts, key=lambda draft: (len(draft[0]), -len(draft[1])), default=nothing)

    def _layout(self, text: str) -> tuple[Layout, list[str]]:
        """Of the text that follows upon `"objects": [`."""
        objects, problems = _json_items(text, "objects", MOST_OBJECTS)
        is_whole = not problems and len(objects) < MOST_OBJECTS
        read = [self._region(item) for item in objects]
        surplus = self._surplus([region for region, _ in read])
        regions, places = [], {}  # number in the answer -> index
        for number, (region, problem) in enumerate(read):
            if number in surplus:
                region, problem = None, f"is one more than the prompt names: {quoted(region.phrase)}"
            problems += [f"Object {number} {problem}."] if problem else []
            if region is not None:
                places[number] = len(regions)
                regions.append(region)
        if not regions:
            return Layout(prompt=self.expected.prompt), problems + list(map(_not_placed, self.expected.phrases))
        relations = self._expected_relations(regions, problems, is_whole)
        start = re.search(r'"relations"\s*:\s*\[', text)
        stated, flaws = _json_items(text[start.end() :], "relations", MOST_RELATIONS) if start else ([], [])
        for item in stated:
            relation = _relation_of(item, len(objects))
            if relation is None:
                flaws.append(f"This is no relation of the objects: {quoted(item)}.")
            elif places.keys() >= set(relation.ends):
                relations.append(relation.renumbered(places.get))
        layout = Layout(regions, dict.fromkeys(relations), self.expected.prompt)
        hidden = [f"The boxes do not show: {quoted(layout.describe(r))}." for r in broken_relations(layout)]
        return layout, problems + flaws + hidden

    def _region(self, item) -> tuple[Region | None, str]:
        """The region of an item, if it can be one; and what is wrong with the item."""
        phrase, box = (item.get("phrase"), item.get("box")) if isinstance(item, dict) else (None, None)
        is_box = isinstance(box, list) and len(box) == 4 and all(map(_is_coordinate, box))
        if not is_box or not isinstance(phrase, str):
            return None, f'is not {{"phrase": ..., "box": [x0, y0, x1, y1]}} with four numbers: {quoted(item)}'
        phrase = phrase.encode("utf-8", "ignore").decode("utf-8")  # without halves of characters
        if len(phrase) > LONGEST_PHRASE or not self._occurs(phrase):
            return None, f"is not in the words of the prompt: {quoted(phrase)}"
        x0, y0, x1, y1 = box
        if 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1:
            return Region(phrase, box=box), ""
        problem = f"has a box that is not 0 <= x0 < x1 <= 1, 0 <= y0 < y1 <= 1: {quoted(box)}"
        (left, right), (top, bottom) = sorted((x0, x1)), sorted((y0, y1))
        if max(left, 0) >= min(right, 1) or max(top, 0) >= min(bottom, 1):  # nothing of it is in the picture
            return None, problem
        return Region(phrase, box=inside_picture((left, top, right, bottom))), problem

    def _occurs(self, phrase: str) -> bool:
        """Whether prompt or reading have the words of a phrase, one after the other: "a dog" is in "two dogs"."""
        if not phrase.isascii() and phrase.casefold() in self.expected.prompt.casefold():  # also without spaces
            return any(map(str.isalpha, phrase))
        words = list(dropwhile((DETERMINERS | NUMERALS).__contains__, _words_of(phrase)))
        return bool(words) and any(words == text[n : n + len(words)] for text in self.texts for n in range(len(text)))

    def _surplus(self, regions: Sequence[Region | None]) -> set[int]:
        """Which objects are more than the prompt counts, where each expected one may be one of them."""
        if not self.is_settled and not _FOR_EACH.isdisjoint(self.words):
            return set()
        names = {number: _name_of(region.phrase) for number, region in enumerate(regions) if region is not None}
        free, surplus = set(range(len(self.names))), set()
        for number, words in sorted(names.items(), key=lambda item: -len(item[1])):
            meant = {i for i, name in enumerate(self.names) if self._is_named(i, words) and words <= name}
            if meant & free:
                free.remove(min(meant & free, key=lambda i: len(self.names[i])))
            elif (meant or self.is_settled) and meant.isdisjoint(self.uncounted):
                surplus.add(number)
        return surplus

    def _is_named(self, index: int, words: set[str]) -> bool:
        """Whether words name an expected object; "the red one" has no noun."""
        return self.heads[index] in words or words == self.repeated[index]

    def _expected_relations(self, regions: list[Region], problems: list[str], is_whole: bool) -> list[Relation]:
        """
        What the reader found, between the regions, which get its descriptions, too. What these lack is added to them
        if it stands in a relation, or if it was not left out on purpose.
        """
        places = self.matches(regions)
        for index, number in places.items():
            regions[number] = replace(regions[number], description=self.expected.regions[index].description)
        needed = {index for relation in self.expected.relations for index in relation.ends}
        if self.is_settled or not is_whole:
            needed = set(range(len(self.heads)))
        for index in sorted(needed - places.keys()):
            problems.append(_not_placed(self.expected.phrases[index]))
            places[index] = len(regions)
            regions.append(replace(self.expected.regions[index], order=None))
        return [r.renumbered(places.get) for r in self.expected.relations]

    def matches(self, regions: Sequence[Region]) -> dict[int, int]:
        """Which expected object is which region, one to one; the likest come first."""
        alike = []
        for i, name in enumerate(self.names):
            for j, region in enumerate(regions):
                words = _name_of(region.phrase)
                alike += [(len(name ^ words), i, j)] if self._is_named(i, words) else []
        places: dict[int, int] = {}
        for _, i, j in sorted(alike):
            if i not in places and j not in places.values():
                places[i] = j
        return places


def _json_items(text: str, name: str, most: int) -> tuple[list, list[str]]:
    """The whole items of a list of JSON, from after its bracket; and what is wrong with the list."""
    decoder, items, position = json.JSONDecoder(strict=False), [], 0
    while (position := _SEPARATORS.match(text, position).end()) < len(text) and text[position] != "]":
        if len(items) == most:
            return items, [f"The list of {name} has more than {most} items."]
        try:
            item, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return items, [f"The list of {name} breaks off."]
        items.append(item)
    return items, [] if position < len(text) else [f"The list of {name} breaks off."]


def _relation_of(item, count: int) -> Relation | None:
    """The relation that an item of the answer states between some of so many objects, if it does."""
    if not isinstance(item, dict) or not isinstance(item.get("relation"), str):
        return None
    relation = Relation(item.get("subject"), item["relation"], item.get("object"), item.get("second_object"))
    subject, ends = relation.subject, relation.ends
    are_objects = subject is not None and all(type(index) is int and 0 <= index < count for index in ends)
    return relation if are_objects and len(set(ends)) == len(ends) and is_complete(relation) else None


def _words_of(text: str) -> list[str]:
    """Lower-case, in the singular."""
    return [singular(word) for word in _PLAIN_WORD.findall(text.lower())]


def _name_of(phrase: str) -> set[str]:
    """The words that tell an object from others."""
    return set(_words_of(phrase)) - DETERMINERS - NUMERALS


def _is_coordinate(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _FARTHEST


def _not_placed(phrase: str) -> str:
    return f"There is no object for {quoted(phrase)}."


def quoted(value) -> str:
    """As JSON on one line, not too long; halves of characters as escapes."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= 120 else text[:117] + "..."
