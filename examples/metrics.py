"""
Does a picture show what its prompt says? The metrics of the benchmark, on plain data.

A prompt is a record {"id", "prompt", "objects": ["red apple", ...], "relations": [{"subject", "relation", "object"}]}
with relations between entries of "objects"; an object that occurs twice is listed twice. A detection is
{"category": "apple", "colour": "red" or None, "box": [x0, y0, x1, y1]}, boxes in 0..1 with y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


COLOURS = tuple("red orange yellow green blue purple pink brown black white gray grey silver gold golden".split())
SYNONYMS = {"grey": "gray", "golden": "gold"}

CENTRE_TESTS = {  # of the centres (x, y) of subject and object, as the paper judges
    "left of": lambda a, b: a[0] < b[0],
    "right of": lambda a, b: a[0] > b[0],
    "above": lambda a, b: a[1] < b[1],
    "below": lambda a, b: a[1] > b[1],
}

METRICS = {  # name: what it is
    "object recall": "objects of the prompt that were found",
    "recall with colour": "objects that were found with the colour the prompt gives them, if it gives any",
    "attribute accuracy": "found objects with a colour in the prompt that have this colour",
    "relation accuracy": "relations of the prompt that hold",
    "relation accuracy (found)": "relations that hold, of those whose objects were both found",
    "spurious objects": "things per picture that the prompt does not name, or more of them than it says",
    "errors": "objects that are missing or have the wrong colour, and relations that do not hold, per picture",
    "entirely right": "prompts with every object, colour and relation right and nothing spurious",
}
COUNTED = ("spurious objects", "errors")  # these are means; all others are fractions


@dataclass(frozen=True)
class Estimate:
    """
    A value measured on some prompts, with its confidence interval.

    Args:
        value, low, high (`float`): NaN where nothing was counted.
        count (`int`): What the value is a fraction or mean of: objects, relations or prompts.
    """

    value: float
    low: float
    high: float
    count: int


def split_phrase(phrase: str) -> tuple[str, str | None]:
    """`"a red apple"` as its category and colour, `("apple", "red")`; the colour is `None` where none is named."""
    words = phrase.lower().split()
    words = words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words
    colours = [word for word in words[:-1] if word in COLOURS]
    category = " ".join(word for word in words if word not in colours)
    return category, _same_colour(colours[0]) if colours else None


def score_picture(prompt: dict, detections: Sequence[dict]) -> dict[str, tuple[int, int]]:
    """
    Judges one picture.

    Object recall and relation accuracy are those of arXiv:2304.03869 (its official code's `evaluation`): an object is
    found if anything of its category is detected, and any pair of instances may satisfy a relation, by the centres of
    their boxes. Where a prompt names a category in several colours, relations tell the instances apart by colour.
    Relations other than left of, right of, above and below are not judged.

    Args:
        prompt (`dict`): The record of the prompt.
        detections (`Sequence[dict]`): What was detected in the picture.

    Returns:
        `dict[str, tuple[int, int]]`: For each metric how often it was fulfilled, and of how many.
    """
    objects = [split_phrase(phrase) for phrase in prompt["objects"]]
    assigned = _assign(objects, detections)
    found = len(assigned)
    right = sum(_has_colour(detections[assigned[i]], objects[i][1]) for i in assigned)
    coloured = [i for i in assigned if objects[i][1]]
    right_coloured = sum(_has_colour(detections[assigned[i]], objects[i][1]) for i in coloured)

    relations = [relation for relation in prompt["relations"] if relation["relation"] in CENTRE_TESTS]
    pairs = [_instance_pairs(relation, objects, detections) for relation in relations]
    holding = sum(
        any(CENTRE_TESTS[relation["relation"]](_centre(a), _centre(b)) for a, b in candidates)
        for relation, candidates in zip(relations, pairs)
    )
    spurious = len(detections) - found
    errors = len(objects) - right + len(relations) - holding
    return {
        "object recall": (found, len(objects)),
        "recall with colour": (right, len(objects)),
        "attribute accuracy": (right_coloured, len(coloured)),
        "relation accuracy": (holding, len(relations)),
        "relation accuracy (found)": (holding, sum(map(bool, pairs))),
        "spurious objects": (spurious, 1),
        "errors": (errors, 1),
        "entirely right": (int(errors + spurious == 0), 1),
    }


def summarize(scores: Sequence[dict], **bootstrap) -> dict[str, Estimate]:
    """
    The metrics over many pictures: sums over the pictures, divided.

    Args:
        scores (`Sequence[dict]`): What `score_picture` gave for each prompt.
        bootstrap: `resamples`, `confidence` and `seed` of the percentile bootstrap over prompts.
    """
    return {name: _estimate(lambda ratios: ratios[0], [_pairs(scores, name)], **bootstrap) for name in METRICS}


def compare(scores: Sequence[dict], baseline: Sequence[dict], **bootstrap) -> dict[str, Estimate]:
    """The differences `scores - baseline` of two methods on the same prompts, in the same order (paired bootstrap)."""
    if len(scores) != len(baseline):
        raise ValueError(f"Paired scores need the same prompts, got {len(scores)} and {len(baseline)}.")
    samples = {name: [_pairs(scores, name), _pairs(baseline, name)] for name in METRICS}
    return {name: _estimate(lambda ratios: ratios[0] - ratios[1], samples[name], **bootstrap) for name in METRICS}


def _estimate(statistic, samples: list[np.ndarray], resamples=2000, confidence=0.95, seed=0) -> Estimate:
    """Percentile bootstrap (Efron 1979) of a statistic of ratios; all `samples`, (prompts, 2), are drawn together."""
    prompts = len(samples[0])
    draws = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1 / max(prompts, 1)), size=resamples)
    value = statistic([_ratio(sample.sum(axis=0)) for sample in samples])
    drawn = statistic([_ratio(draws @ sample) for sample in samples])
    count = int(samples[0][:, 1].sum())
    if np.isnan(value):
        return Estimate(float("nan"), float("nan"), float("nan"), count)
    low, high = np.nanpercentile(drawn, [50 - 50 * confidence, 50 + 50 * confidence])
    return Estimate(float(value), float(low), float(high), count)


def _ratio(sums: np.ndarray) -> np.ndarray:
    """(..., 2) fulfilled and total as (...) ratios; NaN of nothing."""
    with np.errstate(invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def _pairs(scores: Sequence[dict], name: str) -> np.ndarray:
    return np.array([score[name] for score in scores], dtype=float).reshape(-1, 2)


def _assign(objects: list[tuple], detections: Sequence[dict]) -> dict[int, int]:
    """For each object that was found its detection, one for each; as many as possible with the right colour."""
    assigned: dict[int, int] = {}
    coloured_first = sorted(range(len(objects)), key=lambda i: objects[i][1] is None)
    for must_have_colour in (True, False):
        for i in (i for i in coloured_first if i not in assigned):
            category, colour = objects[i]
            for j, detection in enumerate(detections):
                fits = not must_have_colour or _has_colour(detection, colour)
                if j not in assigned.values() and detection["category"] == category and fits:
                    assigned[i] = j
                    break
    return assigned


def _instance_pairs(relation: dict, objects: list[tuple], detections: Sequence[dict]) -> list[tuple[dict, dict]]:
    """All pairs of detections that may be the relation's subject and object."""
    subjects, others = (_instances(relation[role], objects, detections) for role in ("subject", "object"))
    return [(a, b) for a in subjects for b in others if a is not b]


def _instances(phrase: str, objects: list[tuple], detections: Sequence[dict]) -> list[dict]:
    category, colour = split_phrase(phrase)
    colours = {tint for name, tint in objects if name == category}
    return [
        detection
        for detection in detections
        if detection["category"] == category and (len(colours) < 2 or _has_colour(detection, colour))
    ]


def _has_colour(detection: dict, colour: str | None) -> bool:
    return colour is None or _same_colour(detection["colour"]) == colour


def _same_colour(colour: str | None) -> str | None:
    return SYNONYMS.get(colour, colour)


def _centre(detection: dict) -> tuple[float, float]:
    x0, y0, x1, y1 = detection["box"]
    return (x0 + x1) / 2, (y0 + y1) / 2
