"""What every judge gives back: `Detection`, a thing seen in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Detection:
    """
    Args:
        category (`str`): What it is.
        colour (`str`, *optional*): `None` for a thing in its natural colours, or where colours are not judged.
        box (`tuple[float, float, float, float]`): `(x0, y0, x1, y1)` in 0..1, y down.
        score (`float`): The judge's confidence, 0..1.
    """

    category: str
    colour: str | None
    box: Box
    score: float


def intersection_over_union(a: Box, b: Box) -> float:
    """How far two boxes agree, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    intersection = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return intersection / (areas - intersection) if intersection else 0.0


def keep_best(detections: Sequence[Detection], overlap: float = 0.5) -> list[Detection]:
    """Non-maximum suppression: of detections whose boxes agree by more than `overlap`, that with the best score."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda item: -item.score):
        if all(intersection_over_union(detection.box, other.box) <= overlap for other in kept):
            kept.append(detection)
    return kept
