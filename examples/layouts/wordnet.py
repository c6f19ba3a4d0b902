"""Things in WordNet 3.0 (Debian: wordnet-base), and how it defines them."""

import re
from collections.abc import Iterator
from pathlib import Path


# Lexicographer files: animals, artifacts, bodies, food, objects, plants, possessions, shapes
FILES = frozenset(("05", "06", "08", "13", "17", "20", "21", "25"))
SENSES = 4  # of a name that may be such a thing


def read_definitions(folder: Path) -> dict[str, str]:
    """
    Args:
        folder (`Path`): With `data.noun` and `index.noun`.

    Returns:
        For the names of things, in lower case and without hyphens, the definition of the first sense that is one.
        People are not among them, nor names that are written with capitals.

    Raises:
        FileNotFoundError: WordNet is not there.
    """
    synsets = {}
    for offset, file, _, count, *rest in _rows(folder / "data.noun"):
        names = {rest[2 * place].lower(): rest[2 * place] for place in range(int(count, 16))}
        if file in FILES:
            definition = " ".join(rest[rest.index("|") + 1 :]).strip()
            synsets[offset] = names, re.split(r'; (?=")', definition)[0]
    definitions: dict[str, str] = {}
    for lemma, _, count, *rest in _rows(folder / "index.noun"):
        senses = [synsets[offset] for offset in rest[-int(count) :][:SENSES] if offset in synsets]
        if senses and senses[0][0][lemma].islower():
            definitions.setdefault(re.sub("[_-]", " ", lemma), senses[0][1])
    return definitions


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as lines:
        yield from (line.split() for line in lines if not line.startswith(" "))
