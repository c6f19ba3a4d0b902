"""What users of other tools type around the words of a prompt, told from its English: `parse_prompt`."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate, groupby


_PAIRS = {")": "(", "]": "[", "}": "{"}
_FACTORS = {"(": 1.1, "[": 1 / 1.1, "{": 1.05}  # AUTOMATIC1111's and, for braces, NovelAI's
_LARGEST = 1000.0  # of weights: thousands of brackets still have a finite one
_SPACES = dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u2028\u2029"), " ")
_GONE = "\0"

_INFOTEXT = re.compile(r"\n[^\S\n]*Steps:[^\S\n]*\d+[^\S\n]*(?:,|$)", re.M)
_NEGATIVE = re.compile(r"(?:^|(?<=[.,;!?]\s))[^\S\n]*negative prompts?[^\S\n]*:", re.I | re.M)
_UNDERSCORE = re.compile(r"(?<=[^\W_])_(?=[^\W_]{2})|(?<=[^\W_]{2})_(?=[^\W_])")  # none of T_T
_INK = re.compile(r"\S")
_GAP = re.compile(rf"(?<![\s,])[\s,]*{_GONE}[\s,{_GONE}]*")

_OPERATOR = r"(?<![\w/-]) (?:BREAK|AND|ADDCOL|ADDROW|ADDCOMM|ADDBASE) (?![\w'’/-])"
_DASHES = r"""(?<![^\s,]) (?: --(?=[A-Za-z])
    | [—–](?= (?i:no)\b | [A-Za-z]+[ ]\d[\d.:]* (?: \s*\Z | \s+--[A-Za-z] | \s+[—–][A-Za-z] ) ) )  # a phone's for "--"
"""
_TOKEN = re.compile(
    rf"""
      (?P<literal> https?://[^\s()<>]+ | [\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+ | <[^\s<>:]+> )
    | (?P<network> <\w+:[^<>]*> )
    | (?P<escape> \\[()\[\]{{}}\\] )
    | (?P<operator> (?<![A-Z][ ]) {_OPERATOR} | {_OPERATOR} (?![ ](?:[A-Z][ ])?[A-Z]{{2,}}\b) )  # not in capitals
    | (?P<no> {_DASHES} (?i:no)(?![\w-]) (?P<unwanted> .*?) (?= {_DASHES} | \Z ) )
    | (?P<flag> {_DASHES} \w[\w-]* (?: (?: = | [^\S\n]+ ) (?! --|[—–(\[{{<]|{_OPERATOR} ) \S*[^\s,;)\]}}] )? )
    | (?P<weight> (?: :\s*(?P<decimal>[+-]?\d*\.\d+) | (?<!\d):\s*(?P<whole>[+-]?\d+\.?) ) \s*(?=[)\]}}]) )
    | (?P<part> ::-?[\d.]+ (?!\w) (?= \s*["'“(\[{{]* (?!-?[\d.]+::) \w ) )  # of Midjourney: "cat::2 dog"
    | (?P<stray> (?<!\d):[+-]?\d*\.\d+(?!\w|\.\d)  # a weight without its brackets
        | (?: (?<![\w.])-?[\d.]+ )? ::-?[\d.]*(?![\d.\s]*\]) )  # of NovelAI: "1.3::cat::"
    | (?P<separator> [:|] )
    | (?P<open> [(\[] | {{(?:[\d-]+\$\$)? )
    | (?P<close> \)(?: (?P<run>\++|-+)(?![\w(+-]) | (?P<number>\d*\.\d+)(?!\w|\.\d) )? | [\]}}] )
    | (?P<word> (?P<letters> \w+(?:['’-]\w+)* )
        (?P<signs> (?<!\b[A-Z]) (?: \+\++ | --+ | (?<=[a-z])\+ ) (?![\w+-]) )? )  # C++ is a name
    """,
    re.X | re.S,
)


@dataclass(frozen=True)
class Piece:
    """A run of text with one weight."""

    text: str  # without syntax
    weight: float  # 1 for plain text, in -1000..1000
    chunk: int  # how many of BREAK, AND, ADDCOL, ADDROW, ADDCOMM and ADDBASE stand before it
    start: int  # offset of its first character in the prompt


@dataclass(frozen=True)
class ParsedPrompt:
    """A prompt without its syntax."""

    pieces: tuple[Piece, ...]
    negative_prompt: str  # what "Negative prompt: ..." and "--no a, b" named, as written, joined by ", "
    offsets: tuple[int, ...]  # of each character of `text` in the prompt; they increase strictly

    @property
    def text(self) -> str:
        """The English of the prompt."""
        return "".join(piece.text for piece in self.pieces)


def parse_prompt(prompt: str) -> ParsedPrompt:
    """
    Takes the syntax of other tools out of a prompt; English stays as it is, with spaces for line breaks and tabs.

    - Weights of AUTOMATIC1111 ("(word:1.3)", "(word)", "[word]"), compel ("word++", "(a hat)--") and NovelAI
      ("{word}") go into the pieces. An unmatched bracket is dropped, one after a backslash is text.
    - Of prompt editing ("[a:b:0.5]") the last text stays, of alternatives ("[a|b]", "{a|b}") the first.
    - What parts the prompt ("BREAK", "AND", "ADDCOL", "cat::2 dog") becomes a comma.
    - "<lora:name:0.8>" and its like, Midjourney's flags with one value each, and the line "Steps: ..." are removed.
    - "long_hair" is read as "long hair".

    Never raises. Takes time linear in the length of the prompt.
    """
    scan, negative = _scanned(prompt)
    kept, weights, chunks = scan.kept_characters(), scan.weights(), list(accumulate(scan.chunk_starts))
    pieces = []
    for (weight, chunk), run in groupby(kept, key=lambda index: (weights[index], chunks[index])):
        indices = list(run)
        pieces.append(Piece("".join(scan.shown[index] for index in indices), weight, chunk, indices[0]))
    return ParsedPrompt(tuple(pieces), negative, tuple(kept))


def split_negative(prompt: str) -> tuple[str, str]:
    """
    A prompt as it was typed without "Negative prompt: ...", "--no a, b" and "Steps: ...", and what the first two name.
    """
    scan, negative = _scanned(prompt)
    kept = scan.text
    for token in reversed(scan.unwanted):
        kept = f"{kept[: token.start()].rstrip()} {kept[token.end() :]}".rstrip()
    return kept, negative


def _scanned(prompt: str) -> tuple["_Scan", str]:
    """What stands before "Negative prompt:" and "Steps:"; and what the first of these and each "--no" name."""
    positive, *_ = _INFOTEXT.split(prompt, 1)
    positive, *negative = _NEGATIVE.split(positive, 1)
    scan = _Scan(positive if positive == prompt else positive.rstrip())
    texts = [*(token["unwanted"] for token in scan.unwanted), *negative]
    return scan, ", ".join(filter(None, (text.strip().strip(",").strip() for text in texts)))


class _Scan:
    """What the tokens of a text mean for its characters."""

    def __init__(self, text: str):
        self.text = text
        self.shown = list(text.translate(_SPACES))
        self.chunk_starts = [0] * len(text)
        self.unwanted: list[re.Match] = []  # each "--no" with what it names
        self._hidden = [0] * (len(text) + 1)  # how many more things hide a character than the one before
        self._factors: dict[int, float | None] = {}  # where weighted text starts; None where it ends
        self._brackets: list[tuple[re.Match, int]] = []  # those open, with the number of separators before each
        self._open: Counter[str] = Counter()
        self._separators: list[re.Match] = []  # and weights
        for token in _TOKEN.finditer(text):
            self._read(token)

    def _read(self, token: re.Match) -> None:
        kind, (start, end) = token.lastgroup, token.span()
        if kind == "word":
            self.shown[start : token.end("letters")] = _UNDERSCORE.sub(" ", token["letters"])
            if token["signs"]:
                self._hide(token.end("letters"), end)
                self._weigh(start, token.end("letters"), _power(token["signs"]))
        elif kind in ("operator", "part"):  # read as commas
            self.shown[start] = ","
            self._hide(start + 1, end)
            following = kind == "operator" and _INK.search(self.text, end)
            if following:
                self.chunk_starts[following.start()] = 1
        elif kind not in ("literal", "separator"):
            self._hide(start, start + 1 if kind == "escape" else end)
        if kind in ("separator", "weight"):
            self._separators.append(token)
        elif kind == "open":
            self._brackets.append((token, len(self._separators)))
            self._open[token[0][0]] += 1
        elif kind == "close" and self._open[_PAIRS[token[0][0]]]:
            self._close(token)
        elif kind == "no":
            self.unwanted.append(token)

    def _close(self, token: re.Match) -> None:
        """Weighs what the brackets enclose, or keeps one of its alternatives; those left open within are dropped."""
        bracket, end = "", token.start()
        while bracket != _PAIRS[token[0][0]]:
            opening, first = self._brackets.pop()
            bracket = opening[0][0]
            self._open[bracket] -= 1
        separators, self._separators[first:] = self._separators[first:], []
        last = separators[-1] if separators and separators[-1].end() == end else token
        number = last["decimal"] or last["whole"] or token["number"]
        if bracket == "[" and number:
            self._keep_one(opening.end(), last.start(), [mark for mark in separators if mark[0] == ":"], -1)
        elif bracket != "(" and any(mark[0] == "|" for mark in separators):
            self._keep_one(opening.end(), end, [mark for mark in separators if mark[0] == "|"], 0)
        elif number:
            self._weigh(opening.start(), end, float(number))
        else:
            self._weigh(opening.start(), end, _power(token["run"]) if token["run"] else _FACTORS[bracket])

    def _keep_one(self, start: int, end: int, separators: list[re.Match], choice: int) -> None:
        """Hides all but one of the texts between separators; blank ones do not count."""
        starts, ends = [start, *(mark.end() for mark in separators)], [*(mark.start() for mark in separators), end]
        texts = [span for span in zip(starts, ends) if _INK.search(self.text, *span)] or [(end, end)]
        self._hide(start, texts[choice][0])
        self._hide(texts[choice][1], end)

    def _hide(self, start: int, end: int) -> None:
        self._hidden[start] += 1
        self._hidden[end] -= 1

    def _weigh(self, start: int, end: int, factor: float) -> None:
        self._factors |= {start: factor, end: None}

    def weights(self) -> list[float]:
        """Of each character the product of the factors around it."""
        weights, around = [], [1.0]
        for index in range(len(self.text)):
            factor = self._factors.get(index, 1.0)
            if factor is None:
                around.pop()
            elif index in self._factors:
                around.append(max(-_LARGEST, min(around[-1] * factor, _LARGEST)))
            weights.append(around[-1])
        return weights

    def kept_characters(self) -> list[int]:
        """Indices of the characters that stay, in order."""
        depths = accumulate(self._hidden)
        shown = "".join(_GONE if depth else character for character, depth in zip(self.shown, depths))
        kept, done = [], len(shown) - len(shown.lstrip())
        for gap in _GAP.finditer(shown):
            kept += range(done, gap.start())
            done = gap.end()
            kept += self._left_in_gap(shown, *gap.span()) if kept else ()
        return [*kept, *range(done, len(shown))]

    def _left_in_gap(self, shown: str, start: int, end: int) -> list[int]:
        """Indices of what stays where syntax went: a comma, and a space, which there must be between two words."""
        comma = shown.find(",", start, end)
        space = shown.find(" ", max(comma, start), end)
        if end == len(shown) or shown[end - 1] == _GONE and shown[end] in ".;:!?" and self.text[end - 1] not in "([{":
            space = -1
        elif max(comma, space) < 0 and shown[start - 1].isalnum() and shown[end].isalnum():
            space = start
            self.shown[space] = " "
        return [index for index in (comma, space) if index >= 0]


def _power(signs: str) -> float:
    return {"+": 1.1, "-": 0.9}[signs[0]] ** min(len(signs), 99)  # compel's
