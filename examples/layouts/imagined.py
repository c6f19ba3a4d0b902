"""Where the things of a sentence would be in a picture: a small world of sizes, ground and sky."""

import csv
import random
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from spacetime_attn.layout.regions import Relation
from spacetime_attn.layout.solver import consistent_relations, place_on_lattice
from spacetime_attn.layout.things import TALL_THINGS, WIDE_THINGS, kinds_of, name_and_factor
from spacetime_attn.layout.words import collect_words, singular


FOLDER = Path(__file__).parent
GUESSED_SIZES = FOLDER / "guessed_sizes.txt"
COMPRESSION = 0.5  # how far real sizes show in a picture: 1 would make a cup beside a house a dot
SIZE_NOISE = 0.12  # standard deviation of the logarithms of sizes
IN_THE_SKY = collect_words(
    "airplane plane jet helicopter kite balloon cloud sun moon star bird eagle hawk seagull gull owl bat butterfly bee"
    " dragonfly rainbow drone rocket ufo blimp airship parachute glider comet planet satellite spaceship"
)


@cache
def sizes(split: str) -> dict[str, tuple[float, float]]:
    """Width and height in metres of the things in one half of the table: `"train"` or `"held_out"`."""
    with open(FOLDER / "sizes.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return {row["thing"].lower(): (float(row["width_m"]), float(row["height_m"])) for row in rows}


@cache
def known_sizes() -> dict[str, tuple[float, float]]:
    """Width and height in metres of all things that the corpus may know: nothing that is held out."""
    known = _shaped(read_sides(FOLDER / "more_sizes.txt")) | sizes("train")
    return {_without_hyphens(name): size for name, size in known.items()}


@cache
def all_sizes() -> dict[str, tuple[float, float]]:
    """Width and height in metres of all things, known or guessed from the known ones."""
    return _shaped(read_sides(GUESSED_SIZES)) | known_sizes()


def read_sides(path: Path) -> dict[str, float]:
    """The names in a list of sizes and their sides: after a heading, "side: name, name, ..." a line."""
    lines = (line.split(": ") for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return {name: float(side) for side, names in lines for name in names.split(", ")}


def _without_hyphens(name: str) -> str:
    """As `name_among` looks names up: hyphens in their last words only."""
    *words, noun = name.split()
    return " ".join([*" ".join(words).replace("-", " ").split(), noun])


def _shaped(sides: dict[str, float]) -> dict[str, tuple[float, float]]:
    """The width and height of things that look as large as squares of these sides."""
    return {name: tuple(_proportions(name.split()[-1]) * side) for name, side in sides.items()}


def _proportions(head: str) -> np.ndarray:
    """Width and height of something of area 1."""
    return np.array([0.84, 1.2] if head in TALL_THINGS else [1.2, 0.84] if head in WIDE_THINGS else [1.0, 1.0])


@cache
def _usual_size(head: str) -> tuple[float, float]:
    """The (geometric) mean of the things that are of just the same kinds; of all things where none is."""
    sides = {thing: np.log(size) for thing, size in known_sizes().items()}
    alike = [side for thing, side in sides.items() if kinds_of(thing.split()[-1]) == kinds_of(head)]
    width, height = np.exp(np.mean(alike or list(sides.values()), axis=0))
    return width, height


def real_size(head: str, modifiers: Sequence[str]) -> np.ndarray:
    """Width and height in metres: what is known or guessed, or what is usual for this kind of thing."""
    name, factor = name_and_factor(all_sizes(), head, modifiers)
    size = np.array(all_sizes()[name] if name else _usual_size(singular(head)))
    return size * factor


def imagine(
    heads: Sequence[str],
    modifiers: Sequence[Sequence[str]],
    relations: Sequence[Relation],
    aspect_ratio: float,
    dice: random.Random,
) -> np.ndarray:
    """
    One box for each thing: larger things larger, what stands on the ground on one line, what flies above it, and the
    stated relations between things as they are said.

    Returns:
        Array of shape (things, 4), `(x0, y0, x1, y1)` in 0..1.
    """
    count = len(heads)
    real = np.array([real_size(head, words) for head, words in zip(heads, modifiers)])
    diagonal = np.sqrt(real.prod(1))
    shown = real / diagonal[:, None] * ((diagonal / diagonal.max()) ** COMPRESSION)[:, None]
    shown *= np.exp([[dice.gauss(0, SIZE_NOISE)] for _ in heads])
    shown = np.maximum(shown, 0.22 * shown.max())

    places = _lattice(count, tuple(relations), round(aspect_ratio, 1)) if relations else _row(heads, dice)
    columns, left = _tracks(places[:, 0], shown[:, 0], dice)
    rows, top = _tracks(places[:, 1], shown[:, 1], dice)

    largest = {1: 0.75, 2: 0.85}.get(count, 0.92) * dice.uniform(0.75, 1.0)
    scale = largest / max(columns.sum() / aspect_ratio, rows.sum())
    unit = scale * np.array([1 / aspect_ratio, 1.0])
    size = shown * unit
    corner = np.zeros((count, 2))
    for thing, (column, row) in enumerate(places):
        free_x, free_y = columns[column] - shown[thing, 0], rows[row] - shown[thing, 1]
        high = dice.uniform(0.1, 0.6) if heads[thing] in IN_THE_SKY else dice.uniform(0.85, 1.0)
        corner[thing] = left[column] + dice.uniform(0.35, 0.65) * free_x, top[row] + high * free_y
    corner *= unit
    room = 1 - (corner + size).max(0)
    sky = all(head in IN_THE_SKY for head in heads)
    shift = np.array([dice.uniform(0.3, 0.7), dice.uniform(0.2, 0.5) if sky else dice.uniform(0.5, 0.9)]) * room
    corner = corner + shift
    return np.concatenate([corner, corner + size], 1).clip(0, 1)


@lru_cache(maxsize=100_000)
def _lattice(count: int, relations: tuple[Relation, ...], aspect_ratio: float) -> np.ndarray:
    """Columns and rows in which the relations hold; most sentences say what others have said of their objects."""
    return place_on_lattice(count, consistent_relations(relations), aspect_ratio)


def _row(heads: Sequence[str], dice: random.Random) -> np.ndarray:
    """Side by side as they are named, mostly; what flies is in a row above."""
    order = list(range(len(heads)))
    if dice.random() < 0.2:
        dice.shuffle(order)
    flying = [head in IN_THE_SKY for head in heads]
    mixed = any(flying) and not all(flying)
    return np.array([(order[i], int(mixed and not flying[i])) for i in range(len(heads))])


def _tracks(places: np.ndarray, extents: np.ndarray, dice: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """The widths of columns (or heights of rows) and where each begins."""
    widths = np.array([extents[places == place].max(initial=0.05) for place in range(places.max() + 1)])
    widths = widths * dice.uniform(1.05, 1.3)
    return widths, np.concatenate([[0.0], widths.cumsum()[:-1]])
