"""What one visitor works on, as plain data: `Scene`, a prompt and its layout, and what was done to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from PIL import Image

from ..layout.key_frames import interpolated_layouts
from ..layout.regions import Layout, Region, grouped
from ..layout.shapes import SHAPE_CHECKS


NEW_PHRASE = "something"
NEW_BOX = (0.35, 0.35, 0.65, 0.65)
_MOST_STEPS_BACK = 100
_MOVED = (*SHAPE_CHECKS, "softness", "strength")  # what a region has of its own in each key frame of a video
_STEPS_OF_THEIR_OWN = {"mask", "image"}  # which are not typed or slid, each in one step with the last
_MOST_REGIONS = 64
_MOST_POINTS = 4096  # of their polygons


@dataclass(frozen=True)
class Scene:
    """
    Args:
        prompt (`str`): The text.
        layout ([`Layout`]): Where its objects go; in a video, those of the frame that is being edited.
        predicted ([`Layout`]): What the prompt's own layout is.
        origin ([`Layout`]): The predicted one that the layout was made from; of an earlier prompt, until the visitor
            says what becomes of the boxes.
        sources (`tuple[int | None, ...]`): Which object of the origin each region is. All others, of which that is
            None, are the visitor's own.
        edited (`bool`): Whether the layout is the visitor's own by now.
        selected (`int`, *optional*): The region that is being edited.
        touched: What the last step changed; more changes of the same belong to that step.
        past (`tuple[Scene, ...]`): To go back to.
        corrections (`tuple`, *optional*): The words that were struck and added, if a picture with a prompt of its own
            was opened here.
        frame (`int`): The frame of a video that is being edited; of a picture 0.
        key_frames (`tuple[int, ...]`): Those where the visitor has put regions, between which they move.
        paths (`tuple[dict[int, Region], ...]`): Each region in all key frames, for what it has of its own there.
    """

    prompt: str = ""
    layout: Layout = Layout()
    predicted: Layout = Layout()
    origin: Layout = Layout()
    sources: tuple[int | None, ...] = ()
    edited: bool = False
    selected: int | None = None
    touched: tuple | None = None
    past: tuple["Scene", ...] = ()
    corrections: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    frame: int = 0
    key_frames: tuple[int, ...] = (0,)
    paths: tuple[dict[int, Region], ...] = ()

    def __post_init__(self):
        own = len(self.layout) - len(self.sources)
        object.__setattr__(self, "sources", (*self.sources, *[None] * own))
        paths = zip_longest(self.layout, self.paths, fillvalue={})  # what is new stands still
        object.__setattr__(self, "paths", tuple(self._completed(region, path) for region, path in paths))

    def _completed(self, region: Region, path: dict[int, Region]) -> dict[int, Region]:
        return {key: region if key == self.frame else path.get(key, region) for key in self.key_frames}

    @property
    def region(self) -> Region | None:
        """The region that is being edited."""
        return None if self.selected is None else self.layout.regions[self.selected]

    @property
    def offered(self) -> Layout | None:
        """The prompt's own layout, while the boxes are those of other objects."""
        return None if sorted(self.predicted.phrases) == sorted(self.origin.phrases) else self.predicted

    def read(self, prompt: str, layout: Layout) -> "Scene":
        """With another prompt. The visitor's own boxes stay while it has the same objects; else that is a question."""
        scene = replace(self, prompt=prompt, predicted=layout)
        return scene._followed() if self.edited else scene._as_predicted()

    def opened(self, prompt: str, layout: Layout, predicted: Layout, corrections: tuple) -> "Scene":
        """With a picture's prompt and layout, where another layout may be predicted here."""
        past = replace(self, corrections=corrections)._with(layout).past
        sources = tuple(_paired(layout.phrases, predicted.phrases))
        return Scene(prompt, layout, predicted, origin=predicted, sources=sources, edited=True, past=past)

    def placed_anew(self, layout: Layout) -> "Scene":
        """With the boxes of another layout, the visitor's own being given up."""
        return replace(self._with(self.layout, edited=False), predicted=layout)._as_predicted()

    def kept(self, layout: Layout) -> "Scene":
        """With the objects of another layout, but what the visitor did with those that were there before."""
        return replace(self._with(self.layout), predicted=layout)._brought_up()

    def undone(self) -> "Scene":
        """One step back, if there is one. The prompt stays, unless a picture brought it."""
        if not self.past:
            return self
        *past, last = self.past
        if last.corrections is not None:
            return replace(last, past=tuple(past))
        selected = self.selected if self.selected is not None and self.selected < len(last.layout) else None
        now = {"prompt": self.prompt, "predicted": self.predicted, "selected": selected, "touched": None}
        return replace(last, past=tuple(past), **now)._followed()

    def _as_predicted(self) -> "Scene":
        layout = self.predicted
        now = {"sources": tuple(range(len(layout))), "selected": None, "touched": None}
        return replace(self, layout=layout, origin=layout, key_frames=(0,), paths=(), **now)

    def _followed(self) -> "Scene":
        """With what the prompt says by now of the same objects."""
        return self if self.offered is not None or self.predicted == self.origin else self._brought_up()

    def _brought_up(self) -> "Scene":
        """With the predicted objects, and what the visitor did with those that were there before."""
        rows, predicted = self._rows(), self.predicted
        numbers = {index: number for number, (_, index) in enumerate(rows)}
        relations = (relation for relation in predicted.relations if numbers.keys() >= set(relation.ends))
        layout = replace(
            self.layout,
            regions=[self._of_row(*row) for row in rows],
            relations=[relation.renumbered(numbers.get) for relation in relations],
            prompt=predicted.prompt,
        )
        now_at = {place: number for number, (place, _) in enumerate(rows) if place is not None}
        now = {"sources": tuple(index for _, index in rows), "selected": now_at.get(self.selected), "touched": None}
        paths = tuple({} if place is None else self.paths[place] for place, _ in rows)
        return replace(self, layout=layout, origin=predicted, paths=paths, **now)

    def _rows(self) -> list[tuple[int | None, int | None]]:
        """
        Of each region to be its place in the layout, None where it is new, and its predicted object, None where it has
        none. What was deleted stays so. A region of an object that is gone goes with it, unless it has been renamed.
        """
        predicted, own, rows = self.predicted, self.layout.regions, []
        before = _paired(predicted.phrases, self.origin.phrases)
        free = [n for n, source in enumerate(self.sources) if source is None or source not in before]
        left = grouped((own[n].phrase, n) for n in free)
        for index, (phrase, old) in enumerate(zip(predicted.phrases, before)):
            if old is None:
                rows.append((left[phrase].pop(0) if left.get(phrase) else None, index))
            elif old in self.sources:
                rows.append((self.sources.index(old), index))
        own_or_renamed = (n for n in free if own[n].phrase != getattr(self._source(n), "phrase", None))
        return rows + [(n, None) for n in own_or_renamed if n in left[own[n].phrase]]

    def _of_row(self, place: int | None, index: int | None) -> Region:
        if place is None:
            return self.predicted.regions[index]
        region, description = self.layout.regions[place], getattr(self._source(place), "description", None)
        if index is None or region.description != description:  # the visitor's own words
            return region
        return replace(region, description=self.predicted.regions[index].description)

    def _source(self, place: int) -> Region | None:
        """What a region was made from."""
        source = self.sources[place]
        return None if source is None else self.origin.regions[source]

    # Single regions. Each index comes from outside.

    def picked(self, index: int) -> "Scene":
        """With that region being edited."""
        return replace(self, selected=self._checked(index), touched=None)

    def moved(self, index: int, bounds: Sequence[float], resized: bool) -> "Scene":
        """With a region brought to other bounds `(x0, y0, x1, y1)`."""
        region = self.layout.regions[self._checked(index)]
        scene = self._with(_replaced(self.layout, index, with_bounds(region, bounds, resized)))
        return replace(scene._on_its_path(index, region), selected=index)

    def changed(self, **values) -> "Scene":
        """With other values of the region that is being edited, see [`Region`]."""
        if self.selected is None:
            raise ValueError("No region is chosen: click on one first.")
        layout = self.layout.edit(self.selected, **values)
        touched = None if values.keys() & _STEPS_OF_THEIR_OWN else (self.selected, *values)
        if layout == self.layout:
            return self
        return self._with(layout, touched=touched)._on_its_path(self.selected, self.region)

    def with_new(self, bounds: Sequence[float] = NEW_BOX) -> "Scene":
        """With one more box."""
        if len(self.layout) >= _MOST_REGIONS:
            raise ValueError(f"There are {_MOST_REGIONS} regions already: delete one first.")
        regions = (*self.layout.regions, Region(NEW_PHRASE, box=tuple(bounds)))
        return replace(self._with(replace(self.layout, regions=regions)), selected=len(self.layout))

    def without(self, index: int | None) -> "Scene":
        """Without a region, and what is said of it."""
        gone = self._checked(index)
        places = {n: n - (n > gone) for n in range(len(self.layout)) if n != gone}
        relations = (relation for relation in self.layout.relations if gone not in relation.ends)
        layout = replace(
            self.layout,
            regions=[self.layout.regions[n] for n in places],
            relations=[relation.renumbered(places.get) for relation in relations],
        )
        sources, paths = (tuple(of[n] for n in places) for of in (self.sources, self.paths))
        return replace(self._with(layout), sources=sources, paths=paths, selected=None)

    def in_depth(self, front: bool) -> "Scene":
        """With the region that is being edited in front of all others, or behind them."""
        index = self._checked(self.selected)
        others = [n for n in self.layout.back_to_front() if n != index]
        return self._with(self.layout.ordered([*others, index] if front else [index, *others]))

    # Key frames of a video

    def at(self, frame: int) -> "Scene":
        """With another frame being edited, with regions as they are there."""
        regions = self._frames(frame + 1)[frame].regions
        return replace(self, frame=frame, layout=replace(self.layout, regions=regions), touched=None)

    @property
    def is_at_one_of_many(self) -> bool:
        """Whether the frame that is being edited is a key frame beside others."""
        return self.frame in self.key_frames and len(self.key_frames) > 1

    def without_key_frame(self) -> "Scene":
        """With regions that move through the frame that is being edited without being put there."""
        if not self.is_at_one_of_many:
            raise ValueError(f"Frame {self.frame} is no key frame, or the only one.")
        left = tuple(key for key in self.key_frames if key != self.frame)
        return replace(self._with(self.layout), key_frames=left).at(self.frame)

    def of_video(self, frames: int) -> Layout | list[Layout]:
        """The layout of all its frames, or of each. Key frames after its end are moved to all the same."""
        return self.layout if len(self.key_frames) == 1 else self._frames(frames)

    def _frames(self, count: int) -> list[Layout]:
        paths = list(zip(self.layout, self.paths))
        key_frames = {
            key: replace(self.layout, regions=[_as_in(region, path[key]) for region, path in paths])
            for key in self.key_frames
        }
        return interpolated_layouts(key_frames, max(count, self.key_frames[-1] + 1))[:count]

    def _on_its_path(self, index: int, before: Region) -> "Scene":
        """With a region that was changed: one that is moved makes a key frame, and has one kind of shape in all."""
        region, path, key_frames = self.layout.regions[index], self.paths[index], self.key_frames
        is_for_all = region.mask is not None or region.kind != before.kind  # it cannot be interpolated
        if is_for_all:
            path = {key: replace(region, strength=there.strength) for key, there in path.items()}
        if region.strength != before.strength or not is_for_all and _as_in(before, region) != before:
            key_frames = tuple(sorted({*key_frames, self.frame}))
        return replace(self, paths=(*self.paths[:index], path, *self.paths[index + 1 :]), key_frames=key_frames)

    def _with(self, layout: Layout, edited: bool = True, touched: tuple | None = None) -> "Scene":
        past = self.past
        if touched is None or touched != self.touched:
            past = (*past, replace(self, past=()))[-_MOST_STEPS_BACK:]
        return replace(self, layout=layout, edited=edited, touched=touched, past=past)

    def _checked(self, index) -> int:
        if type(index) is not int or not 0 <= index < len(self.layout):
            raise ValueError("There is no such region: click on one first.")
        return index


def check_layout(layout: Layout) -> None:
    """Raises a ValueError if a layout from outside is more than the page draws."""
    points = sum(len(region.polygon or ()) for region in layout)
    if len(layout) > _MOST_REGIONS or points > _MOST_POINTS:
        raise ValueError(
            f"The layout has {len(layout)} regions with {points} points of polygons; the page takes {_MOST_REGIONS}"
            f" regions with {_MOST_POINTS} points."
        )


def _as_in(region: Region, there: Region) -> Region:
    """A region where it is in another frame."""
    return replace(region, **{name: getattr(there, name) for name in _MOVED})


def bounds_of(region: Region) -> tuple[float, float, float, float]:
    """What the page shows around a region: of a disc all of it, also outside the picture."""
    if region.disc is None:
        return region.bounds
    x, y, radius = region.disc
    return x - radius, y - radius, x + radius, y + radius


def with_bounds(region: Region, bounds: Iterable[float], resized: bool = True) -> Region:
    """
    A region of any shape brought to other bounds. A disc keeps its radius unless it is resized.

    Raises:
        ValueError, TypeError: The bounds are no box.
    """
    x0, y0, x1, y1 = new = tuple(map(float, bounds))
    if region.box is not None:
        return replace(region, box=new)
    old_x0, old_y0, old_x1, old_y1 = bounds_of(region)
    across, down = (x1 - x0) / (old_x1 - old_x0), (y1 - y0) / (old_y1 - old_y0)
    if region.disc is not None:
        factor = (down if abs(across - 1) < 1e-6 else across) if resized else 1
        return replace(region, disc=((x0 + x1) / 2, (y0 + y1) / 2, region.disc[2] * factor))
    if region.polygon is not None:
        points = ((x0 + across * (x - old_x0), y0 + down * (y - old_y0)) for x, y in region.polygon)
        return replace(region, polygon=[(min(max(x, 0), 1), min(max(y, 0), 1)) for x, y in points])
    height, width = region.mask.shape
    back = (1 / across, 0, width * (old_x0 - x0 / across), 0, 1 / down, height * (old_y0 - y0 / down))
    drawing = Image.fromarray(np.array(region.mask))
    return replace(region, mask=np.asarray(drawing.transform(drawing.size, Image.Transform.AFFINE, back)))


def _paired(phrases: Iterable[str], others: Iterable[str]) -> list[int | None]:
    """Of each phrase the place of the same one among others, which are taken once, in order."""
    places = grouped((other, place) for place, other in enumerate(others))
    return [places[phrase].pop(0) if places.get(phrase) else None for phrase in phrases]


def _replaced(layout: Layout, index: int, region: Region) -> Layout:
    return replace(layout, regions=[*layout.regions[:index], region, *layout.regions[index + 1 :]])
