"""Where each object goes: `Region`, `Relation` and `Layout`, plain data in the unit square, y down."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from .draw import draw_layout
from .files import encodable, read_json, shortened, write_json
from .shapes import (
    SHAPE_CHECKS,
    Box,
    box_grid,
    checked_image,
    checked_number,
    checked_numbers,
    checked_text,
    cropped_box,
    cropped_mask,
    disc_grid,
    encoded_mask,
    encoded_picture,
    interval,
    mask_bounds,
    mask_grid,
    polygon_grid,
)
from .vocabulary import DIRECTED


LAYOUT_VERSION = 3  # 1 had no polygons, strengths, times, negative prompts and masks as text; 2 no descriptions
OFFICIAL_RADIUS = 0.2  # of the image side (arXiv:2304.03869, official code)
_NARROWEST = 1e-3  # of the side of a part of the picture: what it shows of a box that only adjoins it is less
_CROPPED_SIDE = 1024  # pixels of the drawing that a shape becomes
_AREA_DIGITS = 6  # which areas are compared in: boxes are rounded to 4
_LARGEST_STRENGTH = float(np.finfo(np.float32).max)  # what weights are multiplied by has that type
_MOST_ITEMS = 4096  # objects, or relations, of a layout that is read

_LAYOUT_KEYS = ("version", "prompt", "background", "objects", "relations", "reading")


@dataclass(frozen=True, eq=False)
class Region:
    """
    The part of the picture that one object phrase controls, how strongly and when. Exactly one of `box`, `disc`,
    `polygon` and `mask` is given.

    Args:
        phrase (`str`): The object as the prompt says it, for example `"the silver bed"`.
        box (`tuple[float, float, float, float]`, *optional*):
            `(x0, y0, x1, y1)` in 0..1 with x0 < x1 and y0 < y1.
        disc (`tuple[float, float, float]`, *optional*):
            `(x, y, radius)` in units of the image's width and height. It may stick out of the picture.
        polygon (`tuple[tuple[float, float], ...]`, *optional*):
            Three or more points `(x, y)` in 0..1, in order. Its sides may cross.
        mask (array, tensor, `PIL.Image` or `str`, *optional*):
            A drawing of shape (rows, columns) of any size, stretched over the picture. Numbers in 0..1, or whole
            numbers up to 255 or 65535, of any type. Of a picture that is transparent anywhere the opacity counts,
            whatever its colours, and of any other the greys. As text a PNG in a data URL.
        softness (`float`): Width of the edge of a box, in 0..1: 0 is hard, 0.1 fades over a tenth of the picture.
        strength (`float`): A factor on the region's weights, from 0.
        start, end (`float`): When the region acts, in relative time 0..1 of the scheduler's steps. A step stands for
            the middle of its time; a span that holds no such middle acts in the one step it lies in.
        negative_prompt (`str`, *optional*): What the region should not show, in the place of the picture's negative
            prompt. It acts as strongly as the region itself (see [`RegionalAttnProcessor`]) and needs classifier-free
            guidance.
        description (`str`, *optional*): What the region is to show, with what belongs to it, for the local prompt: "a
            man with black hair in a red coat". By default the phrase.
        order (`int`, *optional*): In depth: what has a larger number is in front, see [`Layout.back_to_front`]. None
            counts as 0.
        adapters (`dict[str, float]`, *optional*): LoRA adapters by name that act in regions which name them and
            nowhere else, each with a factor on the scale that it is loaded with.
        image (`PIL.Image` or `str`, *optional*): A picture that an IP-Adapter shows to the region, within its times.
            Kept in RGB with at most 512 pixels a side. As text a PNG in a data URL.

    Raises:
        ValueError, TypeError: A shape that is missing, doubled, empty or outside the picture; a number out of range.
    """

    phrase: str
    box: Box | None = None
    disc: tuple[float, float, float] | None = None
    polygon: tuple[tuple[float, float], ...] | None = None
    mask: np.ndarray | None = None
    softness: float = 0.0
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    negative_prompt: str | None = None
    description: str | None = None
    order: int | None = None
    adapters: dict[str, float] | None = None
    image: Image.Image | None = None

    def __post_init__(self):
        phrase = self.phrase
        if not isinstance(phrase, str) or not phrase.strip():
            raise ValueError(f"`phrase` has to be a non-empty string, got {phrase!r}.")
        if sum(getattr(self, name) is not None for name in SHAPE_CHECKS) != 1:
            raise ValueError(f"Region {phrase!r} needs exactly one of `box`, `disc`, `polygon` and `mask`.")
        for name, checked in SHAPE_CHECKS.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checked(phrase, getattr(self, name)))
        for name, highest in {"softness": 1, "strength": _LARGEST_STRENGTH, "start": 1, "end": 1}.items():
            object.__setattr__(self, name, checked_number(phrase, name, getattr(self, name), 0, highest))
        if self.softness and self.box is None:
            raise ValueError(f"`softness` of {phrase!r} belongs to boxes; draw the soft edge into the mask instead.")
        if self.start >= self.end:
            raise ValueError(f"`start` of {phrase!r} has to lie before its `end`, got {self.start} and {self.end}.")
        for name in ("phrase", "negative_prompt", "description"):
            if getattr(self, name) is not None:
                checked_text(phrase, name, getattr(self, name))
        for name, kind, wanted in (("order", int, "a whole number"), ("adapters", dict, "a dictionary")):
            if isinstance(value := getattr(self, name), bool) or not isinstance(value, kind | None):
                raise TypeError(f"`{name}` of {phrase!r} has to be {wanted}, got {shortened(value)}.")
        if self.description is not None and not self.description.strip():
            raise ValueError(f"`description` of {phrase!r} is empty; leave it out to use the phrase.")
        if self.image is not None:
            object.__setattr__(self, "image", checked_image(phrase, self.image))
        for name, weight in (self.adapters or {}).items():
            if not isinstance(name, str):
                raise TypeError(f"Each name in `adapters` of {phrase!r} has to be a string, got {name!r}.")
            checked_number(phrase, f"adapters[{name!r}]", weight, -math.inf)

    def __eq__(self, other) -> bool:
        return isinstance(other, Region) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.phrase, self.box, self.disc, self.polygon))

    @property
    def local_text(self) -> str:
        """What the region is to show: its description, or its phrase."""
        return self.description or self.phrase

    @property
    def bounds(self) -> Box:
        """The smallest box `(x0, y0, x1, y1)` in 0..1 around the region's visible part."""
        if self.box is not None:
            return self.box
        if self.disc is not None:
            x, y, radius = self.disc
            return max(x - radius, 0.0), max(y - radius, 0.0), min(x + radius, 1.0), min(y + radius, 1.0)
        if self.polygon is not None:
            return (*map(min, zip(*self.polygon)), *map(max, zip(*self.polygon)))
        return mask_bounds(self.mask)

    @property
    def centre(self) -> tuple[float, float]:
        """A disc's own centre, or the middle `(x, y)` of the bounds."""
        if self.disc is not None:
            return self.disc[:2]
        x0, y0, x1, y1 = self.bounds
        return (x0 + x1) / 2, (y0 + y1) / 2

    @property
    def area(self) -> float:
        """That of the bounds, as a share of the picture."""
        x0, y0, x1, y1 = self.bounds
        return (x1 - x0) * (y1 - y0)

    @property
    def kind(self) -> str:
        """Of its shape: `"box"`, `"disc"`, `"polygon"` or `"mask"`."""
        return next(name for name in SHAPE_CHECKS if getattr(self, name) is not None)

    def reshaped(self, **shape) -> "Region":
        """The region with another shape: `box` (perhaps with `softness`), `disc`, `polygon` or `mask`."""
        return replace(self, **dict.fromkeys(SHAPE_CHECKS) | {"softness": 0.0} | shape)

    def scaled(self, factor: float) -> "Region":
        """The region with the sides of its box multiplied, about its centre, within the picture; other shapes stay."""
        if self.box is None or factor == 1:
            return self
        x0, y0, x1, y1 = self.box
        x, y, w, h = (x0 + x1) / 2, (y0 + y1) / 2, factor * (x1 - x0) / 2, factor * (y1 - y0) / 2
        return replace(self, box=tuple(min(max(side, 0.0), 1.0) for side in (x - w, y - h, x + w, y + h)))

    def cropped(self, part: Box) -> "Region | None":
        """
        What a part of the picture shows of the region, `None` where that is nothing. Boxes with hard edges stay boxes,
        discs stay discs where the part has the picture's proportions; the rest becomes a mask.
        """
        x0, y0, x1, y1 = part
        if self.box is not None and not self.softness:
            left, top, right, bottom = box = cropped_box(self.box, part)
            return self.reshaped(box=box) if min(right - left, bottom - top) > _NARROWEST else None
        if self.disc is not None and math.isclose(x1 - x0, y1 - y0):
            x, y, radius = self.disc
            shape = {"disc": ((x - x0) / (x1 - x0), (y - y0) / (y1 - y0), radius / (x1 - x0))}
        else:
            drawing = self.rasterize(_CROPPED_SIDE, _CROPPED_SIDE) if self.mask is None else self.mask
            shape = {"mask": cropped_mask(drawing, part)}
        try:
            return self.reshaped(**shape)
        except ValueError:  # the checks of shapes tell those of which nothing is seen
            return None

    def rasterize(self, height: int, width: int) -> np.ndarray:
        """The region on a grid: float32 of shape (height, width) in 0..1."""
        if self.disc is not None:
            return disc_grid(self.disc, height, width)
        if self.box is not None:
            return box_grid(self.box, self.softness, height, width)
        if self.polygon is not None:
            return polygon_grid(self.polygon, height, width)
        return mask_grid(self.mask, height, width)

    def strengths(self, steps: int) -> np.ndarray:
        """The factor on the region's weights at each step: float32 of shape (steps,), 0 outside start..end."""
        return (self.strength * self.times(steps)).astype(np.float32)

    def times(self, steps: int) -> np.ndarray:
        """Whether the region acts at each step: of shape (steps,)."""
        return interval(self.start, self.end, steps)

    def to_dict(self) -> dict:
        """The region as JSON-ready data, without what has its default; inverse of `from_dict`."""
        values = {field: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return {field.name: value for field, value in values.items() if value != field.default}

    @classmethod
    def from_dict(cls, data: dict) -> "Region":
        """Reads one of a layout's objects; for the form see [`Layout.from_dict`]."""
        _check_keys(data, cls, "object")
        return cls(**data)


@dataclass(frozen=True)
class Relation:
    """
    `subject` stands in `relation` to `object`, both indices into the layout's regions.

    Relations to the picture itself ("top left", "bottom", "centre") have no `object`; "between" has a
    `second_object`.
    """

    subject: int
    relation: str
    object: int | None = None
    second_object: int | None = None

    @property
    def ends(self) -> tuple[int, ...]:
        """The two or three that it is about, or the subject alone."""
        return tuple(index for index in (self.subject, self.object, self.second_object) if index is not None)

    def renumbered(self, number: Callable[[int], int]) -> "Relation":
        """The same said of others."""
        return replace(self, **dict(zip(("subject", "object", "second_object"), map(number, self.ends))))

    @property
    def directed(self) -> tuple[int, int, int]:
        """Of "left of", "behind" and the like: which has the smaller coordinate, which the larger, on which axis."""
        column, row = DIRECTED[self.relation]
        low, high = (self.subject, self.object) if column + row < 0 else (self.object, self.subject)
        return low, high, 0 if column else 1

    def to_dict(self) -> dict:
        """JSON-ready data; `second_object` is left out where there is none."""
        data = dataclasses.asdict(self)
        if self.second_object is None:
            del data["second_object"]
        return data

    @classmethod
    def from_dict(cls, data: dict) -> "Relation":
        """Reads `{"subject", "relation", "object", "second_object"?}`."""
        _check_keys(data, cls, "relation")
        return cls(**data)


def grouped(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list]:
    """Of each first of some pairs all that are second, in order."""
    result: dict[Any, list] = {}
    for first, second in pairs:
        result.setdefault(first, []).append(second)
    return result


def reached(start: Any, following: Mapping[Any, Iterable]) -> set:
    """A node and all that it leads to, by what follows each, over any number of steps."""
    found, ahead = {start}, [start]
    while ahead:
        new = set(following.get(ahead.pop(), ())) - found
        found |= new
        ahead += new
    return found


@dataclass(frozen=True)
class Layout:
    """
    Which phrase goes where: the regions of one picture, in the order of the prompt, and what it says of them.

    Args:
        regions (`tuple[Region, ...]`): One region for each object; may be empty.
        relations (`tuple[Relation, ...]`): What the prompt states, indices into `regions`.
        prompt (`str`): The text it was made from, if any.
        background (`str`, *optional*): What is where no region is: its local description. Without regions, or where it
            is blank, it does not act.
    """

    regions: tuple[Region, ...] = ()
    relations: tuple[Relation, ...] = ()
    prompt: str = ""
    background: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "regions", tuple(self.regions))
        object.__setattr__(self, "relations", tuple(self.relations))
        for name in ("prompt", "background"):
            if isinstance(text := getattr(self, name), str):
                object.__setattr__(self, name, encodable(text))
            elif text is not None or name == "prompt":
                raise TypeError(f"`{name}` of a layout has to be a string, got {shortened(text)}.")
        for region in self.regions:
            if not isinstance(region, Region):
                raise TypeError(f"`regions` has to hold `Region`s, got {type(region).__name__}: {region!r}.")
        for relation in self.relations:
            if not isinstance(relation.relation, str):
                raise TypeError(f"The name of relation {relation.to_dict()} has to be a string.")
            for index in (relation.subject, *relation.ends[1:]):
                if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(self.regions):
                    raise ValueError(
                        f"Relation {shortened(relation.to_dict())} points at object {shortened(index)}, but the layout"
                        f" has {len(self.regions)} objects, which are counted in whole numbers from 0."
                    )

    def __len__(self) -> int:
        return len(self.regions)

    def __iter__(self) -> Iterator[Region]:
        return iter(self.regions)

    def __getitem__(self, phrase: str | int | slice) -> Region | tuple[Region, ...]:
        """The region of an object, named as in `edit`, or the regions of a slice."""
        return self.regions[phrase if isinstance(phrase, slice) else self._index(phrase)]

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return draw_layout(self)._repr_png_()

    def __str__(self) -> str:
        lines = [f"{region.phrase}: {_region_text(region)}" for region in self.regions]
        lines += [self.describe(relation) for relation in self.relations]
        return "\n".join(lines + [f"background: {self.background}"] * self.has_background) or "no objects"

    @property
    def phrases(self) -> list[str]:
        """The object phrases, in order."""
        return [region.phrase for region in self.regions]

    @property
    def has_background(self) -> bool:
        """Whether what no region covers has a local description of its own."""
        return bool(self.regions and self.background and self.background.strip())

    @property
    def local_texts(self) -> list[str]:
        """What is to be shown where: that of each region, and last the background, if there is one."""
        return [region.local_text for region in self.regions] + [self.background] * self.has_background

    def describe(self, relation: Relation) -> str:
        """A relation in words: `"the bed right of the couch"`."""
        subject, *others = (self.regions[index].phrase for index in relation.ends)
        return f"{subject} {relation.relation} {' and '.join(others)}".rstrip()

    def back_to_front(self) -> list[int]:
        """
        The objects' indices in the order in which a painter paints them. What has a larger `order` is in front; of
        equal ones what is smaller, see [`Region.area`]; of equally large ones what comes later.
        """
        depths = [(region.order or 0, -round(region.area, _AREA_DIGITS)) for region in self.regions]
        return sorted(range(len(self)), key=depths.__getitem__)

    def ordered(self, back_to_front: Sequence[int]) -> "Layout":
        """
        A copy that is painted in this order: the one in front gets the `order` 0, the others fall from there.

        Raises:
            ValueError: These are not all objects' indices, each once.
        """
        if sorted(back_to_front) != list(range(len(self))):
            raise ValueError(
                f"`back_to_front` has to be the indices of all {len(self)} objects, got {shortened(back_to_front)}."
            )
        orders = {index: -behind for behind, index in enumerate(reversed(back_to_front))}
        return replace(self, regions=[replace(region, order=orders[i]) for i, region in enumerate(self.regions)])

    def masks(self, height: int, width: int, depth_order: bool = False, part: Box | None = None) -> np.ndarray:
        """
        All regions on a grid.

        Args:
            depth_order (`bool`): Whether each is weakened by what covers it: `m_i * prod(1 - m_j)`, j over the objects
                in front of i, as when a painter lays opaque shapes with these coverages over each other.
            part (`tuple[float, float, float, float]`, *optional*): The grid's part of the picture, see
                [`Region.cropped`]. What is not seen there is empty.

        Returns:
            float32 of shape (objects, height, width) in 0..1. With `depth_order` they add up to at most 1.
        """
        shown = self.regions if part is None else [region.cropped(part) for region in self.regions]
        masks = [region.rasterize(height, width) if region else np.zeros((height, width)) for region in shown]
        masks = np.array(masks, dtype=np.float32).reshape(len(self), height, width)
        if depth_order:
            seen = np.ones((height, width), dtype=np.float32)
            for index in reversed(self.back_to_front()):
                covering = 1 - masks[index]
                masks[index] *= seen
                seen *= covering
        return masks

    def local_masks(self, height: int, width: int, depth_order: bool = False, part: Box | None = None) -> np.ndarray:
        """
        Where each of the `local_texts` is: the regions of `masks`, and last the background, which is what they leave,
        `max(0, 1 - sum_i m_i)`.
        """
        masks = self.masks(height, width, depth_order, part)
        rest = (1 - masks.sum(axis=0, keepdims=True)).clip(0)
        return np.concatenate([masks, rest]) if self.has_background else masks

    def strengths(self, steps: int) -> np.ndarray:
        """The factors on all regions' weights: float32 of shape (objects, steps), 0 where a region does not act."""
        strengths = [region.strengths(steps) for region in self.regions]
        return np.array(strengths, dtype=np.float32).reshape(len(self), steps)

    def edit(self, phrase: str | int, /, **changes) -> "Layout":
        """
        A copy with one object changed: `layout.edit("the bed", box=(0.5, 0.3, 1, 0.9))`.

        Args:
            phrase (`str` or `int`): Which object: its phrase (articles and case do not matter) or its index.
            changes: Any arguments of [`Region`]; a new shape replaces the old one.

        Raises:
            ValueError, IndexError: No object, or more than one, goes by that phrase; no object has that index.
        """
        index = self._index(phrase)
        regions = list(self.regions)
        change = regions[index].reshaped if SHAPE_CHECKS.keys() & changes.keys() else partial(replace, regions[index])
        regions[index] = change(**changes)
        return replace(self, regions=regions)

    def with_discs(self, radius: float = OFFICIAL_RADIUS) -> "Layout":
        """A copy in which each object has the official shape, a disc around its centre, whatever its size was."""
        return replace(self, regions=[region.reshaped(disc=(*region.centre, radius)) for region in self.regions])

    def without_descriptions(self) -> "Layout":
        """A copy whose regions are described by their phrases alone, as in the official code."""
        return replace(self, regions=[replace(region, description=None) for region in self.regions])

    def with_scaled_boxes(self, factor: float) -> "Layout":
        """A copy whose boxes have their sides multiplied, see [`Region.scaled`]."""
        return replace(self, regions=[region.scaled(factor) for region in self.regions])

    def cropped(self, box: Box) -> "Layout":
        """
        The layout of a part of the picture, as when that part is drawn by itself. Objects outside it are left out, and
        so are relations of theirs and to the picture. The others are in front of each other as they were.

        Args:
            box (`tuple[float, float, float, float]`): The part, `(x0, y0, x1, y1)` in units of the picture's sides. It
                may stick out of the picture.

        Raises:
            ValueError, TypeError: No such box.
        """
        x0, y0, x1, y1 = box = checked_numbers("the part", "box", box, 4)
        if x0 >= x1 or y0 >= y1:
            raise ValueError(f"`box` has to be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {box}.")
        shown = {number: region.cropped(box) for number, region in enumerate(self.regions)}
        kept = [number for number, region in shown.items() if region is not None]
        places = {number: place for place, number in enumerate(kept)}
        relations = (r for r in self.relations if len(r.ends) > 1 and places.keys() >= set(r.ends))
        layout = replace(
            self,
            regions=[shown[number] for number in kept],
            relations=[relation.renumbered(places.get) for relation in relations],
        )
        order = [places[number] for number in self.back_to_front() if number in places]
        return layout if layout.back_to_front() == order else layout.ordered(order)

    def to_dict(self) -> dict:
        """JSON-ready data; inverse of `from_dict`."""
        return {
            "version": LAYOUT_VERSION,
            "prompt": self.prompt,
            **({} if self.background is None else {"background": self.background}),
            "objects": [region.to_dict() for region in self.regions],
            "relations": [relation.to_dict() for relation in self.relations],
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Layout":
        """
        Reads the one form that layouts have as JSON. All but `objects` may be left out:

            {
                "version": 3,
                "prompt": "a red kite above the boat",
                "background": "a calm sea",
                "objects": [
                    {"phrase": "a red kite", "box": [0.1, 0.0, 0.5, 0.4], "strength": 1.5, "end": 0.6},
                    {"phrase": "the boat", "mask": [[0, 0, 0], [0, 1, 1]]}
                ],
                "relations": [{"subject": 0, "relation": "above", "object": 1}]
            }

        Each object has the arguments of a [`Region`], with the same defaults; a mask is rows of numbers 0..1, or a
        PNG as text, `"data:image/png;base64,..."`. Relations count the objects from 0. A file without a version, or of
        an earlier one, reads the same. The "reading" that the command line adds is passed over. There may be 4096
        objects, and as many relations.

        Raises:
            ValueError, TypeError: Anything that is not a layout: unknown keys too, and a newer version.
        """
        if not isinstance(data, dict) or not isinstance(data.get("objects"), (list, tuple)):
            raise ValueError(f'A layout is a JSON object with a list "objects", got {shortened(data)}.')
        if unknown := [key for key in data if key not in _LAYOUT_KEYS]:
            raise ValueError(f"The layout has the unknown keys {unknown}; known keys are {list(_LAYOUT_KEYS)}.")
        version = data.get("version", LAYOUT_VERSION)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise ValueError(f"The layout's version has to be a whole number from 1, got {shortened(version)}.")
        if version > LAYOUT_VERSION:
            newer = f"Layouts of version {shortened(version)} are newer than this release reads."
            raise ValueError(f"{newer} Update spacetime_attn.")
        relations = () if data.get("relations") is None else data["relations"]
        if not isinstance(relations, (list, tuple)):
            raise TypeError(f'"relations" of a layout has to be a list, got {shortened(relations)}.')
        for name, items in {"objects": data["objects"], "relations": relations}.items():
            if len(items) > _MOST_ITEMS:
                raise ValueError(f'"{name}" of a layout has {len(items)} entries; up to {_MOST_ITEMS} are read.')
        return cls(
            regions=tuple(map(Region.from_dict, data["objects"])),
            relations=tuple(map(Relation.from_dict, relations)),
            prompt=data.get("prompt", ""),
            background=data.get("background"),
        )

    def save(self, path: str | os.PathLike) -> None:
        """
        Writes the layout as JSON, whole or not at all.

        Raises:
            OSError: The file cannot be written; it is named, and what it held before stays.
            ValueError: The layout is too large to be read again.
        """
        try:
            write_json(path, self.to_dict(), indent=1)
        except ValueError as error:
            raise ValueError(f"The layout cannot be saved: {error} Draw its masks smaller, or in 8 bits.") from None

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Layout":
        """
        Reads a JSON file that `save`, or a person, wrote.

        Raises:
            ValueError: There is no such file, or it holds no layout; it is named with what is wrong.
        """
        try:
            return cls.from_dict(read_json(path))
        except FileNotFoundError:
            raise ValueError(f"There is no layout file {shortened(str(path))}.") from None
        except OSError as error:
            raise ValueError(f"`layout` names no file that can be read: {shortened(str(path))} ({error}).") from None
        except (TypeError, ValueError) as error:
            raise ValueError(f"The layout file {str(path)!r} holds no layout: {error}") from None

    @classmethod
    def coerce(cls, layout: "Layout | dict | str | os.PathLike") -> "Layout":
        """A layout from what a user may pass: a `Layout` (also of another copy of this module), a dict or a path."""
        if isinstance(layout, cls):
            return layout
        if isinstance(layout, dict):
            return cls.from_dict(layout)
        if isinstance(layout, (str, os.PathLike)):
            return cls.load(layout)
        if hasattr(layout, "to_dict"):
            return cls.from_dict(layout.to_dict())
        raise TypeError(f"`layout` has to be a Layout, a dict or a path to JSON, got {type(layout).__name__}.")

    def _index(self, phrase: str | int) -> int:
        if isinstance(phrase, int) and -len(self) <= phrase < len(self):
            return phrase
        found = [i for i, name in enumerate(self.phrases) if _bare(name) == _bare(str(phrase))]
        if len(found) == 1:
            return found[0]
        hint = "Use its index instead." if found else "Use one of them, or an index."
        error = IndexError if isinstance(phrase, int) else ValueError
        raise error(f"{shortened(phrase)} names {len(found)} objects of the layout, of {self.phrases}. {hint}")


def _bare(phrase: str) -> str:
    words = phrase.lower().split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)


def _region_text(region: Region) -> str:
    values = region.disc if region.disc is not None else region.bounds
    name = region.kind + ("" if values in (region.box, region.disc) else " within")
    parts = [f"{name} ({', '.join(f'{value:.2f}' for value in values)})"]
    if region.strength != 1:
        parts.append(f"strength {region.strength:g}")
    if (region.start, region.end) != (0, 1):
        parts.append(f"from {region.start:g} to {region.end:g}")
    if region.negative_prompt is not None:
        parts.append(f"not {region.negative_prompt!r}")
    return ", ".join(parts)


def _plain(value):
    """A region's value as JSON has it."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Image.Image):
        return encoded_picture(value)
    return encoded_mask(value) if isinstance(value, np.ndarray) else value


def _check_keys(data: dict, cls: type, what: str) -> None:
    if not isinstance(data, dict):
        raise TypeError(f"Each {what} of a layout has to be a JSON object, got {shortened(data)}.")
    fields = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(cls)}
    missing = [name for name, required in fields.items() if required and name not in data]
    unknown = [key for key in data if key not in fields]
    if missing or unknown:
        problem = f"lacks {missing}" if missing else f"has the unknown keys {unknown}"
        raise ValueError(f"The {what} {shortened(data)} {problem}; known keys are {list(fields)}.")
