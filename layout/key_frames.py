"""Layouts of the frames of a video, between those of a few: `interpolated_layouts`."""

import os
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral

import numpy as np

from .files import shortened
from .regions import Layout, Region


def interpolated_layouts(key_frames: Mapping[int, Layout | dict | str | os.PathLike], num_frames: int) -> list[Layout]:
    """
    A layout for each frame of a video, as [`spacetime_attention`] takes them.

    Objects move in straight lines from each key frame to the next: shapes, softness and strength are interpolated. All
    else of an object is that of the key frame before. The first key frame also holds before it, the last one after it.
    Objects are the same if they have the same phrase; those of one phrase go by their order.

    Args:
        key_frames (`Mapping[int, Layout]`): Layouts by the numbers of their frames, 0..num_frames - 1.
        num_frames (`int`): How many frames the video has.

    Returns:
        `list[Layout]`: All have the objects in the order of the first key frame, and state no relations.

    Raises:
        ValueError, TypeError: No key frame, or one outside the video; an object that is not in all of them; shapes of
            different kinds, polygons with different numbers of points, or masks that are not the same.
    """
    if isinstance(num_frames, bool) or not isinstance(num_frames, int) or num_frames < 1:
        raise ValueError(f"`num_frames` has to be a whole number from 1, got {shortened(num_frames)}.")
    if not isinstance(key_frames, Mapping) or not key_frames:
        raise ValueError(f"`key_frames` has to be a dictionary of layouts by frame, got {shortened(key_frames)}.")
    for frame in key_frames:
        if isinstance(frame, bool) or not isinstance(frame, Integral) or not 0 <= frame < num_frames:
            raise ValueError(f"`key_frames` has a layout for frame {frame!r}, but the frames are 0..{num_frames - 1}.")
    frames = sorted(key_frames)
    layouts = [Layout.coerce(key_frames[frame]) for frame in frames]
    layouts = [_in_order_of(layouts[0], layout, frame) for layout, frame in zip(layouts, frames)]
    return [_layout_at(frame, frames, layouts) for frame in range(num_frames)]


def _in_order_of(first: Layout, layout: Layout, frame: int) -> Layout:
    """The layout's objects in another one's order."""
    if missing := set(_names(first)) ^ set(_names(layout)):
        phrase, _ = min(missing)
        raise ValueError(
            f"All `key_frames` need the same objects, and {phrase!r} is in the first one or in that of frame"
            f" {frame}, but not as often in both. Where an object is not to be seen, give it strength=0."
        )
    regions = dict(zip(_names(layout), layout.regions))
    return replace(layout, regions=[regions[name] for name in _names(first)], relations=())


def _names(layout: Layout) -> list[tuple[str, int]]:
    """What tells each object from the others: its phrase, and which of that phrase it is."""
    return [(phrase, layout.phrases[:place].count(phrase)) for place, phrase in enumerate(layout.phrases)]


def _layout_at(frame: int, frames: list[int], layouts: list[Layout]) -> Layout:
    """That of a frame, from those of the key frames."""
    place = max(bisect_right(frames, frame) - 1, 0)
    before = layouts[place]
    if frame <= frames[place] or place + 1 == len(frames):
        return before
    share = (frame - frames[place]) / (frames[place + 1] - frames[place])
    return replace(before, regions=[_between(a, b, share) for a, b in zip(before, layouts[place + 1])])


def _between(a: Region, b: Region, share: float) -> Region:
    """A region on the way from a to b."""
    numbers = {name: _mixed(getattr(a, name), getattr(b, name), share) for name in ("softness", "strength")}
    return replace(a, **_shape_between(a, b, share), **numbers)


def _shape_between(a: Region, b: Region, share: float) -> dict:
    """Its shape, as an argument."""
    name, other = a.kind, b.kind
    start, stop = getattr(a, name), getattr(b, other)
    if name != other:
        raise ValueError(
            f"{a.phrase!r} has a {name} in one of the `key_frames` and a {other} in the next: give it the same kind of"
            " shape in both."
        )
    if name == "mask":
        if np.array_equal(start, stop):
            return {}
        raise ValueError(f"Masks cannot be interpolated: give {a.phrase!r} a box, a disc or a polygon.")
    if len(start) != len(stop):
        raise ValueError(
            f"The polygon of {a.phrase!r} has {len(start)} points in one of the `key_frames` and {len(stop)} in the"
            " next: give it as many in both."
        )
    return {name: _mixed(start, stop, share)}


def _mixed(start, stop, share: float):
    """What lies between two numbers, points or shapes."""
    if isinstance(start, tuple):
        return tuple(_mixed(x, y, share) for x, y in zip(start, stop))
    return start + share * (stop - start)
