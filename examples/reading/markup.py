"""
Prompts with their reading marked, as text: `read` parses and checks files of them. MARKUP.md says how to write them.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spacetime_attn.layout.vocabulary import KINDS, PLACES, RELATIONS


LATER = "="
_MENTION = re.compile(r"\[\[([a-z+]*)\|([^|\]]+)\|([^\n]+?)\]\]")
_STATEMENT = re.compile(r"> ([a-z]+) (.+)")
_ARRANGEMENT = re.compile(r"row|column|stack|circle|corners|sides|grid (\d+)x\d+")
_RELATION = re.compile(rf"({'|'.join(RELATIONS)}|of|member) ([a-z]+)(?: ([a-z]+))?")


@dataclass(frozen=True)
class Mention:
    """
    Args:
        things (`tuple[str, ...]`): Ids of what it speaks of; of what is absent perhaps none.
        label (`str`): Its kind, or "=" for a later mention.
        start, end (`int`): Characters of the prompt.
        count (`int`): As told, 0 if it is not.
    """

    things: tuple[str, ...]
    label: str
    start: int
    end: int
    count: int = 0


@dataclass(frozen=True)
class Marked:
    """
    Args:
        prompt (`str`): The text.
        style (`str`): Kind of prompt.
        mentions (`list[Mention]`): In the order of the text.
        statements (`list[tuple[str, ...]]`): `(subject, what, object)`: a relation ("between" with a second object),
            "of" (an owner) or "member" (its group) of another thing, "at" a place, "as" an arrangement.
    """

    prompt: str
    style: str
    mentions: list[Mention] = field(default_factory=list)
    statements: list[tuple[str, ...]] = field(default_factory=list)


def read(*paths: str | Path) -> list[Marked]:
    """All records of some files. Raises a ValueError that names the first record that is none."""
    return [record for path in paths for record in _records(Path(path))]


def _records(path: Path) -> Iterator[Marked]:
    for block in re.split(r"(?m)^(?=# style:)", path.read_text(encoding="utf-8")):
        if block.strip():
            try:
                yield parse(block)
            except ValueError as error:
                raise ValueError(f"{path}: {error}\n{block}") from error


def parse(block: str) -> Marked:
    """One record. Raises a ValueError that says what is wrong with it."""
    heading, *lines = block.strip("\n").split("\n")
    if not heading.startswith("# style:"):
        raise ValueError("no style")
    told = [line for line in lines if _STATEMENT.fullmatch(line)]
    text, mentions = _mentions("\n".join(line for line in lines if line not in told).strip())
    known = {mention.things[0] for mention in mentions if mention.label not in (LATER, "absent")}
    for mention in mentions:
        if mention.label == LATER and not known.issuperset(mention.things):
            raise ValueError(f"later mention of what is not known: {text[mention.start : mention.end]!r}")
    return Marked(text, heading[8:].strip(), mentions, [_statement(line, known) for line in told])


def _mentions(source: str) -> tuple[str, list[Mention]]:
    text, mentions, known, position = "", [], set(), 0
    for found in _MENTION.finditer(source):
        text += source[position : found.start()]
        position = found.end()
        things, (label, _, count) = tuple(filter(None, found[1].split("+"))), found[2].partition("*")
        if label not in (*KINDS, LATER):
            raise ValueError(f"unknown label {label!r}")
        if label not in (LATER, "absent"):
            if len(things) != 1 or known.issuperset(things):
                raise ValueError(f"a first mention needs an id of its own: {found[0]!r}")
            known.update(things)
        mentions.append(Mention(things, label, len(text), len(text) + len(found[3]), int(count or 0)))
        text += found[3]
    text += source[position:]
    if "[[" in text or "]]" in text:
        raise ValueError("brackets left over")
    return text, mentions


def _statement(line: str, known: set[str]) -> tuple[str, ...]:
    subject, what = _STATEMENT.fullmatch(line).groups()
    if what.startswith("at ") and what[3:] in PLACES:
        result, things = (subject, "at", what[3:]), (subject,)
    elif what.startswith("as ") and (arrangement := _ARRANGEMENT.fullmatch(what[3:])):
        result, things = (subject, "as", f"grid {arrangement[1]}" if arrangement[1] else what[3:]), (subject,)
    elif relation := _RELATION.fullmatch(what):
        result = subject, relation[1], *filter(None, relation.groups()[1:])
        things = (subject, *result[2:])
        if (len(result) == 4) != (relation[1] == "between"):
            raise ValueError(f"wrong number of things in {line!r}")
    else:
        raise ValueError(f"unknown statement {line!r}")
    if not known.issuperset(things):
        raise ValueError(f"unknown thing in {line!r}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks marked prompts, and counts what is marked.")
    parser.add_argument("files", nargs="+", type=Path, help="text as MARKUP.md has it")
    records = read(*parser.parse_args().files)
    counts = Counter(mention.label for record in records for mention in record.mentions)
    print(f"{len(records)} prompts: " + ", ".join(f"{label} {count}" for label, count in counts.most_common()))


if __name__ == "__main__":
    main()
