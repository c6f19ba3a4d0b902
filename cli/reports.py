"""What is said of a layout and of its reading."""

import json
import sys
import warnings
from collections.abc import Sequence

from .jobs import Job


def say(text, stream=None) -> None:
    """Prints what a terminal's encoding lacks as escapes."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    print(str(text).encode(encoding, "backslashreplace").decode(encoding), file=stream)


def in_json(job: Job, layout, objects: Sequence[str] | None) -> str:
    """A layout and its reading as JSON; of many prompts, a line for each, with every region as its box."""
    data = layout.to_dict()
    if job.id is None:
        data["reading"] = _read(layout.prompt, objects).to_dict()
    else:
        boxes = [{"phrase": region.phrase, "box": list(region.bounds)} for region in layout.regions]
        data = {"id": job.id, "objects": boxes, "relations": data["relations"]}
    return json.dumps(data)


def in_words(job: Job, layout, objects: Sequence[str] | None) -> str:
    """A layout and its reading in words."""
    text = "\n".join([str(layout), *_beside_regions(layout, _read(layout.prompt, objects))])
    return text if job.id is None else f"{job.id}: {job.prompt}\n{text}\n"


def _read(prompt: str, objects: Sequence[str] | None):
    """The reading behind a layout, without the warnings that its predictor has given."""
    from ..layout.language import read_prompt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_prompt(prompt, objects=objects)


def _beside_regions(layout, reading) -> list[str]:
    """What goes beside regions and relations, in words: descriptions, what is left out, what is absent."""
    from ..layout.objects import objects_of

    lines = [f"{part.phrase} is described as {part.description!r}" for part in layout.regions if part.description]
    placed = {(thing.start, thing.end) for thing in objects_of(reading)[0]}
    others = [e for e in reading.entities if e.kind != "object" and (e.start, e.end) not in placed]
    if others:
        lines.append(f"without a region: {', '.join(f'{entity.phrase} ({entity.kind})' for entity in others)}")
    if reading.negative_prompt:
        lines.append(f"negative prompt: {reading.negative_prompt}")
    return list(dict.fromkeys(lines))
