"""What one visitor works on, as plain data: `Scene`, a prompt and its layout, and what was done to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ..layout.regions import Layout, Region, grouped


NEW_PHRASE = "something"
NEW_BOX = (0.35, 0.35, 0.65, 0.65)
_MOST_STEPS_BACK = 100
_MOST_REGIONS = 64
_MOST_POINTS = 4096  # of their polygons


@dataclass(frozen=True)
class Scene:
    """
    Args:
        prompt (`str`): The text.
        layout ([`Layout`]): Where its objects go.
        objects (`tuple[str, ...]`): The phrases that were read in the prompt when the layout was made.
        edited (`bool`): Whether the layout is the visitor's own by now.
        offered ([`Layout`], *optional*): What the prompt's layout would be, while the visitor's own is of others.
        selected (`int`, *optional*): The region that is being edited.
        touched: What the last step changed; more changes of the same belong to that step.
        past (`tuple`): Layouts to go back to, each with whether it was edited.
    """

    prompt: str = ""
    layout: Layout = Layout()
    objects: tuple[str, ...] = ()
    edited: bool = False
    offered: Layout | None = None
    selected: int | None = None
    touched: tuple | None = None
    past: tuple[tuple[Layout, bool], ...] = ()

    @property
    def region(self) -> Region | None:
        """The region that is being edited."""
        return None if self.selected is None else self.layout.regions[self.selected]

    def read(self, prompt: str, layout: Layout) -> "Scene":
        """With another prompt. The visitor's own boxes stay while it has the same objects; else that is a question."""
        if not self.edited:
            return Scene(prompt, layout, tuple(layout.phrases))
        if sorted(layout.phrases) == sorted(self.objects):
            return replace(self, prompt=prompt, layout=replace(self.layout, prompt=layout.prompt), offered=None)
        return replace(self, prompt=prompt, offered=layout)

    def placed_anew(self, layout: Layout) -> "Scene":
        """With the boxes of another layout, the visitor's own being given up."""
        scene = self._with(layout, edited=False)
        return replace(scene, objects=tuple(layout.phrases), offered=None, selected=None)

    def kept(self, layout: Layout) -> "Scene":
        """With the objects of another layout, but the visitor's own boxes where they have the same phrase."""
        own = grouped((region.phrase, region) for region in self.layout)
        regions = [own[region.phrase].pop(0) if own.get(region.phrase) else region for region in layout]
        by_hand = [region for region in self.layout if region.phrase not in (*self.objects, *layout.phrases)]
        scene = self._with(replace(layout, regions=[*regions, *by_hand]))
        return replace(scene, objects=tuple(layout.phrases), offered=None, selected=None)

    def undone(self) -> "Scene":
        """One step back, if there is one."""
        if not self.past:
            return self
        *past, (layout, edited) = self.past
        selected = self.selected if self.selected is not None and self.selected < len(layout) else None
        return replace(self, layout=layout, edited=edited, past=tuple(past), selected=selected, touched=None)

    # Single regions. Each index comes from outside.

    def picked(self, index: int) -> "Scene":
        """With that region being edited."""
        return replace(self, selected=self._checked(index), touched=None)

    def moved(self, index: int, bounds: Sequence[float], resized: bool) -> "Scene":
        """With a region brought to other bounds `(x0, y0, x1, y1)`."""
        region = self.layout.regions[self._checked(index)]
        scene = self._with(_replaced(self.layout, index, with_bounds(region, bounds, resized)))
        return replace(scene, selected=index)

    def changed(self, **values) -> "Scene":
        """With other values of the region that is being edited, see [`Region`]."""
        if self.selected is None:
            raise ValueError("No region is chosen: click on one first.")
        layout = self.layout.edit(self.selected, **values)
        return self if layout == self.layout else self._with(layout, touched=(self.selected, *values))

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
        return replace(self._with(layout), selected=None)

    def in_depth(self, front: bool) -> "Scene":
        """With the region that is being edited in front of all others, or behind them."""
        index = self._checked(self.selected)
        others = [n for n in self.layout.back_to_front() if n != index]
        return self._with(self.layout.ordered([*others, index] if front else [index, *others]))

    def _with(self, layout: Layout, edited: bool = True, touched: tuple | None = None) -> "Scene":
        past = self.past
        if touched is None or touched != self.touched:
            past = (*past, (self.layout, self.edited))[-_MOST_STEPS_BACK:]
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


def _replaced(layout: Layout, index: int, region: Region) -> Layout:
    return replace(layout, regions=[*layout.regions[:index], region, *layout.regions[index + 1 :]])
