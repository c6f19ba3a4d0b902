"""Marked prompts written in other ways: as users type who leave out articles, mistype, or add words of style."""

import random
import re
import string
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from markup import Marked

from spacetime_attn.layout.prompt_syntax import parse_prompt
from stock import Stock


_ARTICLE = re.compile(r"\b(?:a|an|the) ", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{4,}")
_HEADS, _TAILS = (
    (Path(__file__).parent / "words" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    for name in ("heads", "tails")
)


def rewrite(marked: Marked, edits: Iterable[tuple[int, int, str]]) -> Marked:
    """A prompt with some of its characters, start to end, replaced; what was inside mentions stays there."""
    text, places = "", []  # where each character of the prompt, and its end, is now
    position = 0
    for start, end, new in sorted(edits):
        places += range(len(text), len(text) + start - position)
        text += marked.prompt[position:start] + new
        places += [min(len(text) - len(new) + offset, len(text)) for offset in range(end - start)]
        position = end
    places += range(len(text), len(text) + len(marked.prompt) - position)
    text += marked.prompt[position:]
    places.append(len(text))
    mentions = [
        replace(mention, start=places[mention.start], end=places[mention.end - 1] + 1) for mention in marked.mentions
    ]
    return replace(marked, prompt=text, mentions=mentions)


def cleaned(marked: Marked) -> Marked:
    """The prompt without the syntax of other tools, as the reader gets it."""
    parsed = parse_prompt(marked.prompt)
    mentions = []
    for mention in marked.mentions:
        start, end = (bisect_left(parsed.offsets, place) for place in (mention.start, mention.end))
        if start < end:
            mentions.append(replace(mention, start=start, end=end))
    return replace(marked, prompt=parsed.text, mentions=mentions)


def rewritten(marked: Marked, stock: Stock, dice: random.Random) -> Marked:
    """The prompt in another way, or as it is."""
    if dice.random() < 0.1:
        marked = _without_articles(marked, dice)
    if dice.random() < 0.1:
        marked = _mistyped(marked, dice)
    if dice.random() < 0.3:
        marked = _with_tail(marked, stock, dice)
    if dice.random() < 0.08 and not marked.prompt[:1].isupper():
        marked = rewrite(marked, [(0, 0, dice.choice(_HEADS) + " ")])
    if dice.random() < 0.15:
        marked = replace(marked, prompt=marked.prompt.lower())
    return marked


def _without_articles(marked: Marked, dice: random.Random) -> Marked:
    edits = [(*found.span(), "") for found in _ARTICLE.finditer(marked.prompt) if dice.random() < 0.9]
    return rewrite(marked, edits)


def _mistyped(marked: Marked, dice: random.Random) -> Marked:
    words = list(_WORD.finditer(marked.prompt))
    edits = []
    for word in dice.sample(words, min(len(words), dice.choice([1, 1, 2, 3]))):
        place = dice.randrange(word.start() + 1, word.end() - 1)
        a, b = marked.prompt[place : place + 2]
        new = dice.choice([b + a, a, b, a + a + b, a + dice.choice(string.ascii_lowercase)])
        edits.append((place, place + 2, new))
    return rewrite(marked, edits)


def _with_tail(marked: Marked, stock: Stock, dice: random.Random) -> Marked:
    words = [style(stock, dice) for _ in range(dice.choice([1, 2, 3, 4, 6, 8]))]
    end = len(marked.prompt)
    joint = " " if marked.prompt[-1:] in ".!?" else dice.choice([", ", ", ", ", ", " | ", ". ", " - "])
    return rewrite(marked, [(end, end, joint + dice.choice([", ", ", ", ", ", " "]).join(words))])


def style(stock: Stock, dice: random.Random) -> str:
    """A word or a few of style, as users put after commas."""
    roll = dice.random()
    if roll < 0.5:
        return dice.choice(_TAILS)
    if roll < 0.7:
        artist = dice.choice(stock.artists)
        return dice.choice(
            [f"by {artist}", f"art by {artist}", f"in the style of {artist}", artist, f"{artist} style"]
        )
    return dice.choice(stock.styles)
