"""What the layout transformer learns from: sentences with the boxes of their objects."""

import json
import random
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from imagined import imagine, known_sizes, sizes
from tqdm import tqdm

from spacetime_attn.layout.language import read_prompt
from spacetime_attn.layout.objects import objects_of
from spacetime_attn.layout.regions import Relation


READING = Path(__file__).parents[1] / "reading"  # the grammar that the reader learns from
MOST_OBJECTS = 8
RENAMED = 0.5  # of the objects become another thing


@dataclass(frozen=True)
class Sentence:
    """
    A text and what it names.

    Args:
        text (`str`): The prompt.
        spans (`list[tuple[int, int]]`): The characters of each object's phrase.
        heads (`list[str]`), modifiers (`list[list[str]]`): The objects' nouns and their other words.
        relations (`list[Relation]`): What the text states.
        boxes: For each object `(x0, y0, x1, y1)` in 0..1, and the picture's aspect ratio: known for photographs,
            otherwise to be imagined.
    """

    text: str
    spans: list[tuple[int, int]]
    heads: list[str]
    modifiers: list[list[str]]
    relations: list[Relation]
    boxes: list[list[float]] | None = None
    aspect_ratio: float | None = None

    def scene(self, dice: random.Random) -> tuple[list[list[float]], float]:
        """Boxes and aspect ratio: the photograph's, or others every time."""
        if self.boxes is not None:
            return self.boxes, self.aspect_ratio
        aspect_ratio = 2 ** dice.choice((0, 0, dice.uniform(-1, 1)))
        return imagine(self.heads, self.modifiers, self.relations, aspect_ratio, dice).tolist(), aspect_ratio

    def about_others(self, dice: random.Random) -> "Sentence":
        """The same sentence, some of its objects being other things: the grammar knows few that have a known size."""
        text, spans, heads, modifiers = self.text, list(self.spans), list(self.heads), list(self.modifiers)
        for index in range(len(spans)):
            end = spans[index][1]
            is_one = self.spans.count(self.spans[index]) == 1 and text[:end].endswith(f" {heads[index]}")
            if not is_one or dice.random() > RENAMED:
                continue
            name = dice.choice(list(known_sizes()))
            noun = end - len(heads[index])
            text = text[:noun] + name + text[end:]
            longer = len(name) - len(heads[index])
            spans = [(a + longer * (a >= end), b + longer * (b >= end)) for a, b in spans]
            *words, heads[index] = name.split()
            modifiers[index] = sorted({*modifiers[index], *words})
        return replace(self, text=text, spans=spans, heads=heads, modifiers=modifiers)


def captions(seed: int) -> Iterator[str]:
    """Captions of the reader's grammar, without end."""
    if str(READING) not in sys.path:
        sys.path.insert(1, str(READING))  # after this folder, which has modules of the same names
    from grammar import Grammar
    from kept_out import is_kept_out
    from markup import read

    from stock import Stock

    marked = read(*sorted((READING / "marked").glob("*.txt")))
    stock = Stock((record for record in marked if not is_kept_out(record.prompt)), styles=[], artists=[])
    grammar = Grammar(stock, random.Random(seed))
    while True:
        yield grammar.text().prompt


def understood(texts: Iterable[str]) -> Iterator[Sentence]:
    """Texts of one to a few objects, read as the pipeline reads prompts; without things that are held out."""
    held_out = re.compile(rf"\b({'|'.join(map(re.escape, sizes('held_out')))})(e?s)?\b", re.IGNORECASE)
    for text in texts:
        if held_out.search(text):
            continue
        reading = read_prompt(text)
        things, relations = objects_of(reading)
        if 1 <= len(things) <= MOST_OBJECTS:
            yield Sentence(
                reading.prompt,
                [(thing.start, thing.end) for thing in things],
                [thing.head for thing in things],
                [sorted(thing.modifiers) for thing in things],
                relations,
            )


def read_or_make(path: Path, count: int, seed: int) -> list[Sentence]:
    """The sentences of a file, or `count` new ones, which are then written there."""
    if path.exists():
        return [_from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    source = understood(captions(seed))
    sentences = [next(source) for _ in tqdm(range(count), desc="sentences")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(map(_to_json, sentences)), encoding="utf-8")
    return sentences


def _to_json(sentence: Sentence) -> str:
    data = vars(sentence) | {"relations": [relation.to_dict() for relation in sentence.relations]}
    return json.dumps(data, ensure_ascii=False) + "\n"


def _from_json(line: str) -> Sentence:
    data = json.loads(line)
    return Sentence(**data | {"relations": [Relation.from_dict(relation) for relation in data["relations"]]})
