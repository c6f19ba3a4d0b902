"""COCO's captions and instances as sentences with boxes, for those who have the dataset."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from corpus import Sentence, understood

from spacetime_attn.layout.things import PEOPLE


SYNONYMS = {
    "tv": ("television", "monitor", "screen"),
    "couch": ("sofa",),
    "airplane": ("plane", "jet"),
    "bicycle": ("bike",),
    "motorcycle": ("motorbike", "bike"),
    "cell phone": ("phone",),
    "dining table": ("table",),
    "potted plant": ("plant",),
    "refrigerator": ("fridge",),
    "sports ball": ("ball",),
    "donut": ("doughnut",),
    "person": tuple(sorted(PEOPLE)),
}


def coco_sentences(captions_file: Path, instances_file: Path) -> Iterator[Sentence]:
    """
    The captions of which every object is found among the image's instances.

    Args:
        captions_file, instances_file (`Path`): `captions_train2017.json` and `instances_train2017.json`, or others
            in the official format.
    """
    captions = json.loads(captions_file.read_text(encoding="utf-8"))["annotations"]
    data = json.loads(instances_file.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in data["categories"]}
    sides = {image["id"]: (image["width"], image["height"]) for image in data["images"]}
    instances: dict[int, list[tuple[str, list[float]]]] = defaultdict(list)
    for item in sorted(data["annotations"], key=lambda item: -item["area"]):
        if not item["iscrowd"]:
            instances[item["image_id"]].append((names[item["category_id"]], item["bbox"]))
    for caption in captions:
        for sentence in understood([caption["caption"]]):
            width, height = sides[caption["image_id"]]
            found = _assign(sentence, instances[caption["image_id"]])
            if found is not None:
                boxes = [[x / width, y / height, (x + w) / width, (y + h) / height] for x, y, w, h in found]
                yield Sentence(**vars(sentence) | {"boxes": boxes, "aspect_ratio": width / height})


def _assign(sentence: Sentence, instances: list[tuple[str, list[float]]]) -> list[list[float]] | None:
    """Each object's box: the largest free instance that its noun may mean; None if there is none for some object."""
    free, boxes = list(instances), []
    for head, words in zip(sentence.heads, sentence.modifiers):
        names = {head, *(f"{word} {head}" for word in words)}
        fits = [item for item in free if item[0] in names or not names.isdisjoint(SYNONYMS.get(item[0], ()))]
        if not fits:
            return None
        free.remove(fits[0])
        boxes.append(fits[0][1])
    return boxes
