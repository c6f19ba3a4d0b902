"""Scenes of icon world: a few icons, each with its category, colour and box, on a plain or gradient background."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch

from .render import compose
from .sprites import Atlas, sprite_index
from .things import BACKGROUNDS, CATEGORIES, COLOURS, SIZE


MAX_OBJECTS = 4
SPLITS = {"dev": range(0, 2), "test": range(2, 4), "train": range(4, 100)}  # in hundredths of all combinations
RELATIONS = ("left of", "right of", "above", "below")

_LONG_SIDES = {1: (0.3, 0.65), 2: (0.3, 0.52), 3: (0.29, 0.45), 4: (0.28, 0.4)}  # by the number of objects
_OVERLAP = 0.06  # the part of a box's sides that another box may cover
_REPEATED = 0.12  # how many of the scenes of several objects show one of them more than once
_UNCOLOURED = 0.2

Box = tuple[float, float, float, float]  # (x0, y0, x1, y1) in 0..1, y down


@dataclass(frozen=True)
class World:
    """
    What scenes are drawn from.

    Args:
        categories (`tuple[str, ...]`): Keys of `CATEGORIES`.
        colours (`tuple[str, ...]`): Keys of `COLOURS`. Beside them, things have their icon's own colours.
        counts (`tuple[tuple[int, float], ...]`): Numbers of objects, up to `MAX_OBJECTS`, and the share of each.
    """

    categories: tuple[str, ...] = tuple(CATEGORIES)
    colours: tuple[str, ...] = tuple(COLOURS)
    counts: tuple[tuple[int, float], ...] = ((1, 0.2), (2, 0.22), (3, 0.26), (4, 0.32))


WORLD = World()
SMALL_WORLD = World(  # of icons that are easily told apart
    ("banana", "donut", "chair", "clock", "umbrella", "cat", "car", "airplane"),
    ("red", "yellow", "green", "blue"),
    ((1, 0.34), (2, 0.33), (3, 0.33)),
)


@dataclass(frozen=True)
class IconObject:
    """
    One icon.

    Args:
        category (`str`): A key of `CATEGORIES`.
        colour (`str`, *optional*): A key of `COLOURS`; None for the icon's own colours.
        box (`Box`): Around what is visible of it.
    """

    category: str
    colour: str | None
    box: Box

    @property
    def phrase(self) -> str:
        """Colour and category, for example `"red apple"`."""
        return f"{self.colour} {self.category}" if self.colour else self.category

    @property
    def centre(self) -> tuple[float, float]:
        """The middle `(x, y)` of the box."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2

    @property
    def long_side(self) -> float:
        """The longer side of the box, 0..1."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)


@dataclass(frozen=True)
class Scene:
    """
    A picture as data.

    Args:
        objects (`tuple[IconObject, ...]`): Later ones cover earlier ones where they touch.
        background: The colours, sRGB 0..255, at the top left, top right, bottom left and bottom right corner.
    """

    objects: tuple[IconObject, ...]
    background: tuple[tuple[int, int, int], ...]

    @property
    def plain(self) -> bool:
        """Whether the background has one colour only."""
        return len(set(self.background)) == 1


class SceneBatch(NamedTuple):
    """Scenes as tensors, the arguments of `render.compose`; places that a scene leaves empty have index -1."""

    corners: torch.Tensor  # (batch, 2, 2, 3), 0..1
    indices: torch.Tensor  # (batch, MAX_OBJECTS), int64
    boxes: torch.Tensor  # (batch, MAX_OBJECTS, 4), 0..1


def sample_scene(
    rng: random.Random, num_objects: int | None = None, split: str | None = None, world: World = WORLD
) -> Scene:
    """
    Draws a scene.

    Args:
        rng: Where chance comes from; the same state gives the same scene.
        num_objects (`int`, *optional*): 1 to `MAX_OBJECTS`, by chance if not given.
        split (`str`, *optional*): `"train"`, `"dev"` or `"test"`: only a scene of several objects whose combination
            belongs to that split. Single objects are in all of them.
        world ([`World`]): What there is.
    """
    count = num_objects or rng.choices(*zip(*world.counts))[0]
    things = _sample_things(rng, count, world)
    while split is not None and count > 1 and split_of(things) != split:
        things = _sample_things(rng, count, world)
    return scene_of(rng, things)


def scene_of(rng: random.Random, things: Sequence[tuple[str, str | None]]) -> Scene:
    """A scene of these (category, colour), up to `MAX_OBJECTS`; their places and the background are drawn."""
    boxes = _sample_boxes(rng, [CATEGORIES[category].aspect for category, _ in things])
    objects = tuple(IconObject(*thing, box) for thing, box in zip(things, boxes))
    return Scene(objects, _sample_background(rng))


def scene_stream(
    split: str, name: str, num_objects: int | None = None, world: World = WORLD
) -> Iterator[tuple[Scene, random.Random]]:
    """
    Scenes without end, each with the generator that goes on to write its caption. Streams of different splits share no
    combination of several objects, and streams of different names start from different seeds.
    """
    rng = random.Random(f"icon world, {split}, {name}")
    while True:
        yield sample_scene(rng, num_objects, split, world), rng


def split_of(things: Sequence[tuple[str, str | None]]) -> str:
    """The split to which a combination of (category, colour) belongs, wherever its objects are in the picture."""
    key = ", ".join(sorted(f"{colour} {category}" for category, colour in things))
    hundredth = crc32(key.encode()) % 100
    return next(split for split, hundredths in SPLITS.items() if hundredth in hundredths)


def holds(relation: str, subject: IconObject, landmark: IconObject) -> bool:
    """
    Whether a relation of `RELATIONS` can be said of two objects: their centres are at least an eighth of the picture
    apart in its direction, and not much farther in the other.
    """
    right, down = (here - there for here, there in zip(subject.centre, landmark.centre))
    along, across = (right, down) if relation in ("left of", "right of") else (down, right)
    sign = -1 if relation in ("left of", "above") else 1
    return sign * along >= max(0.125, 0.7 * abs(across))


def pack(scenes: Sequence[Scene]) -> SceneBatch:
    """The scenes as tensors."""
    corners = np.array([scene.background for scene in scenes], dtype=np.float32).reshape(-1, 2, 2, 3) / 255
    indices = np.full((len(scenes), MAX_OBJECTS), -1)
    boxes = np.zeros((len(scenes), MAX_OBJECTS, 4), dtype=np.float32)
    for row, scene in enumerate(scenes):
        for place, thing in enumerate(scene.objects):
            indices[row, place] = _sprite_index(thing.category, thing.colour)
            boxes[row, place] = thing.box
    return SceneBatch(*map(torch.from_numpy, (corners, indices, boxes)))


def sprite_tensor(atlas: Atlas) -> torch.Tensor:
    """The atlas as `render.compose` takes it: (sprites, 4, height, width), 0..1."""
    return torch.from_numpy(atlas.flat).permute(0, 3, 1, 2).float() / 255


def render(scene: Scene, size: int = SIZE, atlas: Atlas | None = None) -> np.ndarray:
    """
    Draws one scene. For many, `render.compose` is faster.

    Args:
        size (`int`): Pixels a side.
        atlas ([`Atlas`], *optional*): The sprites; by default those of the file that `sprites.py` makes.

    Returns:
        Array of shape (size, size, 3), uint8.
    """
    sprites = _default_sprites() if atlas is None else sprite_tensor(atlas)
    corners, indices, boxes = pack([scene])
    picture = compose(corners, sprites, indices, boxes, size)[0]
    return (picture * 255).round().byte().permute(1, 2, 0).numpy()


_sprite_index = cache(sprite_index)


@cache
def _default_sprites() -> torch.Tensor:
    return sprite_tensor(Atlas.load())


def _sample_things(rng: random.Random, count: int, world: World) -> list[tuple[str, str | None]]:
    """(category, colour) of each object: all different, or the first one repeated."""
    copies = rng.randint(2, count) if count > 1 and rng.random() < _REPEATED else 1
    things: list[tuple[str, str | None]] = []
    while len(things) < count - copies + 1:
        category = rng.choice(world.categories)
        plain = not CATEGORIES[category].coloured or rng.random() < _UNCOLOURED
        thing = (category, None if plain else rng.choice(world.colours))
        if thing not in things:
            things.append(thing)
    return things[:1] * copies + things[1:]


def _sample_boxes(rng: random.Random, aspects: list[float]) -> list[Box]:
    """Boxes inside the picture that hardly overlap. Where there is no room for one, all are placed anew."""
    low, high = _LONG_SIDES[len(aspects)]
    boxes: list[Box] = []
    tries = 0
    while len(boxes) < len(aspects):
        aspect = aspects[len(boxes)]
        side = rng.uniform(low, high)
        width, height = side * min(1, aspect), side * min(1, 1 / aspect)
        x, y = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        box = (x, y, x + width, y + height)
        if not any(_overlap(box, other) for other in boxes):
            boxes.append(box)
        tries += 1
        if tries % 40 == 0:
            boxes = []
    return boxes


def _overlap(a: Box, b: Box) -> bool:
    slack_x = _OVERLAP * min(a[2] - a[0], b[2] - b[0])
    slack_y = _OVERLAP * min(a[3] - a[1], b[3] - b[1])
    return min(a[2], b[2]) - max(a[0], b[0]) > slack_x and min(a[3], b[3]) - max(a[1], b[1]) > slack_y


def _sample_background(rng: random.Random) -> tuple[tuple[int, int, int], ...]:
    """Half of them plain, the others running from one colour to another: down, across or along the diagonal."""
    start = rng.choice(BACKGROUNDS)
    if rng.random() < 0.5:
        return (start,) * 4
    end = rng.choice(BACKGROUNDS)
    middle = tuple((a + b) // 2 for a, b in zip(start, end))
    return rng.choice([(start, start, end, end), (start, end, start, end), (start, middle, middle, end)])
