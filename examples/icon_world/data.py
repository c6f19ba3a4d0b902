"""Batches for training, made as they are needed: no picture or caption is stored or shown twice."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import NamedTuple
from zlib import crc32

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import CLIPTokenizer

from .captions import caption, exact_caption
from .scenes import Box, IconObject, Scene, SceneBatch, holds, pack, scene_stream


Stream = Iterator[tuple[Scene, random.Random]]


class TextBatch(NamedTuple):
    """Scenes with captions: the UNet's material."""

    scenes: SceneBatch
    input_ids: torch.Tensor  # (batch, tokens)


class PairBatch(NamedTuple):
    """Scenes, whole or a window of them, with true and false captions: CLIP's material."""

    scenes: SceneBatch
    windows: torch.Tensor  # (batch, 4): (x0, y0, x1, y1); they may reach out of 0..1
    input_ids: torch.Tensor  # (batch, tokens)
    false_ids: torch.Tensor  # (batch, tokens)
    has_false: torch.Tensor  # (batch,), bool: whether the false caption is one
    keys: torch.Tensor  # (batch,), int64: equal for rows that show the same things


class _Batches(IterableDataset):
    def __init__(self, make: Callable[[Stream], tuple], name: str):
        self.make = make
        self.name = name

    def __iter__(self) -> Iterator[tuple]:
        worker = get_worker_info()
        stream = scene_stream("train", f"{self.name}, worker {worker.id if worker else 0}")
        while True:
            yield self.make(stream)


def loader(make: Callable[[Stream], tuple], name: str, workers: int = 0, pin_memory: bool = False) -> DataLoader:
    """
    Batches of the training split without end.

    Args:
        make: Takes what it needs from a stream and makes a batch.
        name (`str`): Names the seed; a resumed training has to use another one, or it sees the same again.
        workers (`int`): Processes that make batches beside the training.
        pin_memory (`bool`): For faster copies to a GPU.
    """
    return DataLoader(_Batches(make, name), batch_size=None, num_workers=workers, pin_memory=pin_memory)


def scene_batch(stream: Stream, count: int) -> SceneBatch:
    """Pictures only: the VAE's material."""
    return pack([scene for scene, _ in islice(stream, count)])


def text_batch(stream: Stream, count: int, tokenizer: CLIPTokenizer, dropout: float = 0.1) -> TextBatch:
    """Whole pictures; a share of `dropout` of the captions is empty, for classifier-free guidance."""
    scenes, texts = [], []
    for scene, rng in islice(stream, count):
        scenes.append(scene)
        texts.append("" if rng.random() < dropout else caption(scene, rng).text)
    return TextBatch(pack(scenes), _tokens(tokenizer, texts, "max_length"))


def pair_batch(stream: Stream, count: int, tokenizer: CLIPTokenizer) -> PairBatch:
    """One half whole pictures with captions, one half crops around an object with a caption of it alone."""
    rows = [_cropped(scene, rng) if rng.random() < 0.5 else _whole(scene, rng) for scene, rng in islice(stream, count)]
    scenes, windows, things, texts, false = zip(*rows)
    keys = [crc32(", ".join(sorted(thing.phrase for thing in shown)).encode()) for shown in things]
    return PairBatch(
        pack(scenes),
        torch.tensor(windows),
        *_tokens(tokenizer, texts + tuple(wrong or text for wrong, text in zip(false, texts)), "longest").chunk(2),
        torch.tensor([wrong is not None for wrong in false]),
        torch.tensor(keys),
    )


def false_caption(scene: Scene, seed: float) -> str | None:
    """
    What `caption(scene, random.Random(seed))` would say if two objects had exchanged their places or their colours.

    Returns:
        The caption, or None if it is true of the scene as it is, or may be.
    """
    rng = random.Random(seed + 1)
    if len(scene.objects) < 2:
        return None
    first, second = rng.sample(range(len(scene.objects)), 2)
    objects = list(scene.objects)
    a, b = objects[first], objects[second]
    part = rng.choice(("box", "colour"))
    objects[first], objects[second] = replace(a, **{part: getattr(b, part)}), replace(b, **{part: getattr(a, part)})
    description = caption(Scene(tuple(objects), scene.background), random.Random(seed))
    same_things = sorted(thing.phrase for thing in objects) == sorted(thing.phrase for thing in scene.objects)
    claims = [(objects[i].phrase, relation, objects[j].phrase) for i, relation, j in description.relations]
    return None if same_things and all(_is_true(scene, *claim) for claim in claims) else description.text


def _is_true(scene: Scene, subject: str, relation: str, landmark: str) -> bool:
    """Whether there are two objects of these phrases that stand in this relation."""
    pairs = product(scene.objects, scene.objects)
    return any(holds(relation, a, b) for a, b in pairs if (a.phrase, b.phrase) == (subject, landmark))


def _whole(scene: Scene, rng: random.Random) -> tuple[Scene, Box, tuple[IconObject, ...], str, str | None]:
    seed = rng.random()
    text = caption(scene, random.Random(seed)).text
    return scene, (0.0, 0.0, 1.0, 1.0), scene.objects, text, false_caption(scene, seed)


def _cropped(scene: Scene, rng: random.Random) -> tuple[Scene, Box, tuple[IconObject, ...], str, None]:
    """The crop is a square or has the proportions of the object's box, with some room around it."""
    thing = rng.choice(scene.objects)
    x0, y0, x1, y1 = thing.box
    width, height = (thing.long_side,) * 2 if rng.random() < 0.7 else (x1 - x0, y1 - y0)
    zoom = rng.uniform(0.95, 1.7)
    x, y = (at + rng.uniform(-0.1, 0.1) * thing.long_side for at in thing.centre)
    window = (x - zoom * width / 2, y - zoom * height / 2, x + zoom * width / 2, y + zoom * height / 2)
    return scene, window, (thing,), exact_caption(Scene((thing,), scene.background), rng).text, None


def _tokens(tokenizer: CLIPTokenizer, texts: Sequence[str], padding: str) -> torch.Tensor:
    return tokenizer(list(texts), padding=padding, truncation=True, return_tensors="pt").input_ids
