"""What can be said of things in a picture: one list of kinds, relations, places and arrangements, that all share."""

from types import MappingProxyType


# What a mention may be; `layout/reading.py` says what becomes of each kind.
KINDS: tuple[str, ...] = ("object", "place", "part", "worn", "stuff", "shown", "absent")

AXES = MappingProxyType({"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)})  # rows down
# And what looks so in a picture: things on or behind others are higher, those in front lower.
DIRECTED = MappingProxyType({**AXES, "on": (0, -1), "behind": (0, -1), "in front of": (0, 1)})
RELATIONS: tuple[str, ...] = (
    *AXES, "on", "inside", "next to", "touching", "far from", "in front of", "behind", "between",
)  # fmt: skip
OPPOSITES = MappingProxyType({
    "left of": "right of", "right of": "left of", "above": "below", "below": "above", "in front of": "behind",
    "behind": "in front of", "next to": "next to", "touching": "touching", "far from": "far from",
})  # fmt: skip

RELATIONS_OF_TWO: tuple[str, ...] = tuple(name for name in RELATIONS if name != "between")

# Sides and corners of the picture as (column, row); they hold without a landmark. What is in the foreground is at the
# lower edge, what is in the background at the upper one.
PLACES = MappingProxyType({
    "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "centre": (0, 0),
    "top left": (-1, -1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (1, 1),
    "foreground": (0, 1), "background": (0, -1),
})  # fmt: skip


def are_opposed(first: str, second: str) -> bool:
    """Whether one thing cannot be at both of two places."""
    return any(a * b < 0 for a, b in zip(PLACES[first], PLACES[second])) or "centre" in (first, second)


# How the things of one group stand. Of grids, which are told by their rows ("grid 2"), the columns follow.
ARRANGEMENTS: tuple[str, ...] = (
    "row", "column", "stack", "circle", "corners", "sides", "grid 2", "grid 3", "grid 4", "grid 5",
)  # fmt: skip
