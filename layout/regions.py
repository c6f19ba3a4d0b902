"""Where each object goes: `Region`, `Relation` and `Layout`, plain data in the unit square, y down."""

import dataclasses
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image


LAYOUT_VERSION = 1
OFFICIAL_RADIUS = 0.2  # of the image side (arXiv:2304.03869, official code)


@dataclass(frozen=True, eq=False)
class Region:
    """
    The part of the picture that one object phrase controls. Exactly one of `box`, `disc` and `mask` is given.

    Args:
        phrase (`str`): The object as the prompt says it, for example `"the silver bed"`.
        box (`tuple[float, float, float, float]`, *optional*):
            `(x0, y0, x1, y1)` in 0..1 with x0 < x1 and y0 < y1.
        disc (`tuple[float, float, float]`, *optional*):
            `(x, y, radius)` in units of the image's width and height. It may stick out of the picture.
        mask (array, tensor or `PIL.Image`, *optional*):
            A drawing of shape (rows, columns) of any size, stretched over the picture. Values 0..1, or 0..255 for
            8-bit images and arrays.
        softness (`float`): Width of the edge of a box, in 0..1: 0 is hard, 0.1 fades over a tenth of the picture.

    Raises:
        ValueError, TypeError: A shape that is missing, doubled, empty or outside the picture.
    """

    phrase: str
    box: tuple[float, float, float, float] | None = None
    disc: tuple[float, float, float] | None = None
    mask: np.ndarray | None = None
    softness: float = 0.0

    def __post_init__(self):
        if not isinstance(self.phrase, str) or not self.phrase.strip():
            raise ValueError(f"`phrase` has to be a non-empty string, got {self.phrase!r}.")
        if sum(shape is not None for shape in (self.box, self.disc, self.mask)) != 1:
            raise ValueError(f"Region {self.phrase!r} needs exactly one of `box`, `disc` and `mask`.")
        if self.box is not None:
            object.__setattr__(self, "box", _checked_box(self.phrase, self.box))
        if self.disc is not None:
            object.__setattr__(self, "disc", _checked_disc(self.phrase, self.disc))
        if self.mask is not None:
            object.__setattr__(self, "mask", _checked_mask(self.phrase, self.mask))
        object.__setattr__(self, "softness", _checked_softness(self.phrase, self.softness, self.box))

    def __eq__(self, other) -> bool:
        return isinstance(other, Region) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.phrase, self.box, self.disc, self.softness))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The smallest box `(x0, y0, x1, y1)` in 0..1 around the region's visible part."""
        if self.box is not None:
            return self.box
        if self.disc is not None:
            x, y, radius = self.disc
            return max(x - radius, 0.0), max(y - radius, 0.0), min(x + radius, 1.0), min(y + radius, 1.0)
        rows, columns = np.nonzero(self.mask.any(axis=1))[0], np.nonzero(self.mask.any(axis=0))[0]
        height, width = self.mask.shape
        return (
            float(columns[0] / width),
            float(rows[0] / height),
            float((columns[-1] + 1) / width),
            float((rows[-1] + 1) / height),
        )

    @property
    def centre(self) -> tuple[float, float]:
        """A disc's own centre, or the middle `(x, y)` of the bounds."""
        if self.disc is not None:
            return self.disc[:2]
        x0, y0, x1, y1 = self.bounds
        return (x0 + x1) / 2, (y0 + y1) / 2

    def as_disc(self, radius: float = OFFICIAL_RADIUS) -> "Region":
        """The official shape: a disc around the region's centre, whatever its size was."""
        return Region(self.phrase, disc=(*self.centre, radius))

    def rasterize(self, height: int, width: int) -> np.ndarray:
        """The region on a grid: float32 of shape (height, width) in 0..1."""
        if self.disc is not None:
            return _disc_mask(self.disc, height, width)
        if self.box is not None:
            return _box_mask(self.box, self.softness, height, width)
        return _resized_mask(self.mask, height, width)

    def to_dict(self) -> dict:
        """The region as JSON-ready data; inverse of `from_dict`."""
        data = {"phrase": self.phrase}
        if self.box is not None:
            data["box"] = list(self.box)
        elif self.disc is not None:
            data["disc"] = list(self.disc)
        else:
            data["mask"] = self.mask.tolist()
        if self.softness:
            data["softness"] = self.softness
        return data

    @classmethod
    def from_dict(cls, data: dict) -> "Region":
        """Reads `{"phrase", "box" | "disc" | "mask", "softness"?}`."""
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


@dataclass(frozen=True)
class Layout:
    """
    Which phrase goes where: the regions of one picture, in the order of the prompt, and what it says of them.

    Args:
        regions (`tuple[Region, ...]`): One region for each object; may be empty.
        relations (`tuple[Relation, ...]`): What the prompt states, indices into `regions`.
        prompt (`str`): The text it was made from, if any.
    """

    regions: tuple[Region, ...] = ()
    relations: tuple[Relation, ...] = ()
    prompt: str = ""

    def __post_init__(self):
        object.__setattr__(self, "regions", tuple(self.regions))
        object.__setattr__(self, "relations", tuple(self.relations))
        for region in self.regions:
            if not isinstance(region, Region):
                raise TypeError(f"`regions` has to hold `Region`s, got {type(region).__name__}: {region!r}.")
        for relation in self.relations:
            if not isinstance(relation.relation, str):
                raise TypeError(f"The name of relation {relation.to_dict()} has to be a string.")
            for index in (relation.subject, relation.object, relation.second_object):
                is_needed = index is relation.subject
                if (index is not None or is_needed) and not (
                    isinstance(index, int) and 0 <= index < len(self.regions)
                ):
                    raise ValueError(
                        f"Relation {relation.to_dict()} points at object {index!r}, but the layout has"
                        f" {len(self.regions)} objects (counted from 0)."
                    )

    def __len__(self) -> int:
        return len(self.regions)

    def __str__(self) -> str:
        lines = [f"{region.phrase}: {_shape_text(region)}" for region in self.regions]
        return "\n".join(lines + [self.describe(relation) for relation in self.relations]) or "no objects"

    @property
    def phrases(self) -> list[str]:
        """The object phrases, in order."""
        return [region.phrase for region in self.regions]

    def describe(self, relation: Relation) -> str:
        """A relation in words: `"the bed right of the couch"`."""
        names = [self.regions[relation.subject].phrase, relation.relation]
        if relation.object is not None:
            names.append(self.regions[relation.object].phrase)
        if relation.second_object is not None:
            names += ["and", self.regions[relation.second_object].phrase]
        return " ".join(names)

    def masks(self, height: int, width: int) -> np.ndarray:
        """All regions on a grid: float32 of shape (objects, height, width) in 0..1."""
        masks = [region.rasterize(height, width) for region in self.regions]
        return np.stack(masks) if masks else np.zeros((0, height, width), dtype=np.float32)

    def edit(self, phrase: str | int, /, **changes) -> "Layout":
        """
        A copy with one object changed: `layout.edit("the bed", box=(0.5, 0.3, 1, 0.9))`.

        Args:
            phrase (`str` or `int`): Which object: its phrase (articles and case do not matter) or its index.
            changes: Any arguments of [`Region`]; a new shape replaces the old one.

        Raises:
            ValueError: No object, or more than one, goes by that phrase.
        """
        index = self._index(phrase)
        if {"box", "disc", "mask"} & changes.keys():
            changes = {"box": None, "disc": None, "mask": None, "softness": 0.0} | changes
        regions = list(self.regions)
        regions[index] = replace(regions[index], **changes)
        return replace(self, regions=tuple(regions))

    def with_discs(self, radius: float = OFFICIAL_RADIUS) -> "Layout":
        """A copy in which each object has the official shape, a disc around its centre."""
        return replace(self, regions=tuple(region.as_disc(radius) for region in self.regions))

    def to_dict(self) -> dict:
        """JSON-ready data; inverse of `from_dict`."""
        return {
            "version": LAYOUT_VERSION,
            "prompt": self.prompt,
            "objects": [region.to_dict() for region in self.regions],
            "relations": [relation.to_dict() for relation in self.relations],
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Layout":
        """
        Reads `{"objects": [{"phrase", "box"}, ...], "relations"?, "prompt"?, "version"?}`.

        Raises:
            ValueError, TypeError: Anything that is not a layout, or one of a newer version.
        """
        if not isinstance(data, dict) or not isinstance(data.get("objects"), (list, tuple)):
            raise ValueError(f'A layout is a JSON object with a list "objects", got {_shortened(data)}.')
        version = data.get("version", LAYOUT_VERSION)
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"The layout's version has to be a whole number from 1, got {version!r}.")
        if version > LAYOUT_VERSION:
            raise ValueError(
                f"The layout has version {version}, but this release reads versions up to {LAYOUT_VERSION}."
                " Update spacetime_attn."
            )
        if not isinstance(data.get("prompt", ""), str):
            raise TypeError(f'"prompt" of a layout has to be a string, got {_shortened(data["prompt"])}.')
        relations = data.get("relations") or ()
        if not isinstance(relations, (list, tuple)):
            raise TypeError(f'"relations" of a layout has to be a list, got {_shortened(relations)}.')
        return cls(
            regions=tuple(Region.from_dict(item) for item in data["objects"]),
            relations=tuple(Relation.from_dict(item) for item in relations),
            prompt=data.get("prompt", ""),
        )

    def save(self, path: str | os.PathLike) -> None:
        """Writes the layout as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Layout":
        """Reads a JSON file that `save`, or a person, wrote."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"There is no layout file {_shortened(str(path))}.") from None
        except OSError as error:
            raise ValueError(f"`layout` names no file that can be read: {_shortened(str(path))} ({error}).") from None
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"The layout file {str(path)!r} is not valid JSON ({error}).") from None
        return cls.from_dict(data)

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
        raise ValueError(f"{phrase!r} names {len(found)} objects of the layout, of {self.phrases}. {hint}")


def _bare(phrase: str) -> str:
    words = phrase.lower().split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)


def _shape_text(region: Region) -> str:
    name = "box" if region.box is not None else "disc" if region.disc is not None else "mask within"
    values = region.disc if region.disc is not None else region.bounds
    return f"{name} ({', '.join(f'{value:.2f}' for value in values)})"


def _shortened(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _check_keys(data: dict, cls: type, what: str) -> None:
    if not isinstance(data, dict):
        raise TypeError(f"Each {what} of a layout has to be a JSON object, got {_shortened(data)}.")
    fields = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(cls)}
    missing = [name for name, required in fields.items() if required and name not in data]
    unknown = sorted(data.keys() - fields.keys())
    if missing or unknown:
        problem = f"lacks {missing}" if missing else f"has the unknown keys {unknown}"
        raise ValueError(f"The {what} {_shortened(data)} {problem}; known keys are {list(fields)}.")


def _numbers(phrase: str, name: str, values, count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` of {phrase!r} has to be {count} numbers, got {_shortened(values)}.") from None
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"`{name}` of {phrase!r} has to be {count} finite numbers, got {_shortened(values)}.")
    return numbers


def _checked_box(phrase: str, box) -> tuple[float, ...]:
    x0, y0, x1, y1 = box = _numbers(phrase, "box", box, 4)
    if min(box) < 0 or max(box) > 1:
        raise ValueError(f"`box` of {phrase!r} has to lie in 0..1, got {box}. Divide pixels by the picture's size.")
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"`box` of {phrase!r} has to be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {box}.")
    return box


def _checked_disc(phrase: str, disc) -> tuple[float, ...]:
    x, y, radius = disc = _numbers(phrase, "disc", disc, 3)
    if radius <= 0:
        raise ValueError(f"`disc` of {phrase!r} has to be (x, y, radius) with a radius above 0, got {disc}.")
    if math.hypot(x - min(max(x, 0), 1), y - min(max(y, 0), 1)) >= radius:
        raise ValueError(f"`disc` of {phrase!r} lies wholly outside the picture: {disc}. Move its centre into 0..1.")
    return disc


def _checked_mask(phrase: str, mask) -> np.ndarray:
    if isinstance(mask, Image.Image):
        mask = mask.convert("L")
    try:
        mask = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    except ValueError:
        raise ValueError(f"`mask` of {phrase!r} has rows of different lengths.") from None
    if mask.ndim != 2 or mask.dtype.kind not in "biuf" or mask.size == 0:
        raise ValueError(f"`mask` of {phrase!r} has to be numbers of shape (rows, columns), got {mask.shape}.")
    mask = mask.astype(np.float32) / (255.0 if mask.dtype == np.uint8 and mask.max() > 1 else 1.0)
    if not np.isfinite(mask).all() or mask.min() < 0 or mask.max() > 1:
        raise ValueError(f"`mask` of {phrase!r} has to lie in 0..1, got {mask.min()}..{mask.max()}.")
    if not mask.any():
        raise ValueError(f"`mask` of {phrase!r} is empty: every value is 0.")
    mask.setflags(write=False)
    return mask


def _checked_softness(phrase: str, softness, box) -> float:
    (softness,) = _numbers(phrase, "softness", (softness,), 1)
    if not 0 <= softness <= 1:
        raise ValueError(f"`softness` of {phrase!r} has to lie in 0..1, got {softness}.")
    if softness and box is None:
        raise ValueError(f"`softness` of {phrase!r} belongs to boxes; draw the soft edge into the mask instead.")
    return softness


def _disc_mask(disc: tuple[float, float, float], height: int, width: int) -> np.ndarray:
    """`(c / w - x)^2 + (r / h - y)^2 < radius^2` at the pixels' corners, in float32, as in the official code."""
    x, y, radius = (np.float32(value) for value in disc)
    columns = np.arange(width, dtype=np.float32) / np.float32(width)
    rows = np.arange(height, dtype=np.float32) / np.float32(height)
    inside = (columns[None, :] - x) ** 2 + (rows[:, None] - y) ** 2 < np.float32(disc[2] ** 2)
    return inside.astype(np.float32)


def _box_mask(box: tuple[float, float, float, float], softness: float, height: int, width: int) -> np.ndarray:
    """Pixels whose centre lies in the box; a soft edge rises from 0 to 1 over `softness`, 1/2 at the box's side."""
    x0, y0, x1, y1 = box
    return np.outer(_interval(y0, y1, softness, height), _interval(x0, x1, softness, width)).astype(np.float32)


def _interval(start: float, stop: float, softness: float, size: int) -> np.ndarray:
    centers = (np.arange(size) + 0.5) / size
    if softness:
        return np.clip(np.minimum(centers - start, stop - centers) / softness + 0.5, 0, 1)
    inside = (start <= centers) & (centers < stop)
    if not inside.any():  # narrower than a pixel of this grid: keep the one it lies in
        inside[min(int((start + stop) / 2 * size), size - 1)] = True
    return inside.astype(np.float64)


def _resized_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Area averages when shrinking, bilinear when growing."""
    shrinking = height <= mask.shape[0] and width <= mask.shape[1]
    resample = Image.Resampling.BOX if shrinking else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.array(mask)).resize((width, height), resample)).clip(0, 1)
