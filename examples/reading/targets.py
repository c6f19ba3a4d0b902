"""What the reader's network has to say of a marked prompt, as tensors."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import product

import torch
from markup import LATER, Marked
from tokenizers import Tokenizer

from spacetime_attn.layout.reader_model import LABELS, LINKS, MOST_COUNTED, PAIR_CLASSES
from spacetime_attn.layout.vocabulary import ARRANGEMENTS, OPPOSITES, PLACES


UNTOLD = -100  # what the marks leave open


@dataclass
class Example:
    """One prompt: mentions with the things they speak of, and targets as in `ReaderNetwork`."""

    input_ids: list[int]
    tags: list[int]
    spans: list[tuple[int, int]]
    labels: list[int]
    counts: torch.Tensor  # (mentions,)
    arrangements: torch.Tensor  # (mentions,)
    places: list[tuple[list[int], int]]  # mentions of a thing, one of which has to tell this place
    relations: torch.Tensor  # (mentions, mentions), upper triangle
    links: torch.Tensor  # (mentions, mentions, links), upper triangle


def example(marked: Marked, tokenizer: Tokenizer, max_tokens: int = 320) -> Example:
    """The marks of a prompt, up to its sub-word `max_tokens`."""
    encoding = tokenizer.encode(marked.prompt)
    offsets = encoding.offsets[:max_tokens]
    tags = [0 if end > start else UNTOLD for start, end in offsets]
    mentions, spans, labels = [], [], []
    for mention in sorted(marked.mentions, key=lambda mention: mention.start):
        inside = [index for index, (a, b) in enumerate(offsets) if b > a and b > mention.start and a < mention.end]
        if not inside:
            continue
        label = LABELS.index("later" if mention.label == LATER else mention.label)
        for index in inside:
            tags[index] = 2 + 2 * label
        tags[inside[0]] = 1 + 2 * label
        mentions.append(mention)
        spans.append((inside[0], inside[-1]))
        labels.append(label)
    counts = [min(mention.count, MOST_COUNTED) if mention.label != LATER else UNTOLD for mention in mentions]
    where = defaultdict(list)
    for index, mention in enumerate(mentions):
        for thing in mention.things:
            where[thing].append(index)
    return Example(
        encoding.ids[:max_tokens],
        tags,
        spans,
        labels,
        torch.tensor(counts, dtype=torch.long),
        _arrangements(marked, where, len(mentions)),
        _places(marked, where),
        _relations(marked, where, spans),
        _links(marked, where, mentions, spans),
    )


def _arrangements(marked: Marked, where: dict, count: int) -> torch.Tensor:
    target = torch.zeros(count, dtype=torch.long)
    for subject, what, arrangement, *_ in marked.statements:
        if what == "as" and arrangement in ARRANGEMENTS:
            for index in where[subject]:
                target[index] = ARRANGEMENTS.index(arrangement) + 1
    return target


def _places(marked: Marked, where: dict) -> list[tuple[list[int], int]]:
    names = list(PLACES)
    told = [(where[subject], names.index(place)) for subject, what, place, *_ in marked.statements if what == "at"]
    return [(mentions, place) for mentions, place in told if mentions]


def _relations(marked: Marked, where: dict, spans: list) -> torch.Tensor:
    """The nearest mentions of two things have their relation; what others have is left open."""
    target = torch.zeros(len(spans), len(spans), dtype=torch.long)
    target += torch.ones_like(target).tril() * UNTOLD
    told, opened = {}, set()
    for subject, what, *others in marked.statements:
        if what not in PAIR_CLASSES:
            continue
        for other in others:
            pairs = [(a, b) for a, b in product(where[subject], where[other]) if a != b]
            opened.update((min(pair), max(pair)) for pair in pairs)
            nearest = min(pairs, key=lambda pair: (_gap(spans, *pair), pair), default=None)
            if nearest:
                a, b = nearest
                name = what if a < b else OPPOSITES.get(what, f"{what}, reversed")
                told.setdefault((min(a, b), max(a, b)), PAIR_CLASSES.index(name))
    for pair in opened:
        target[pair] = told.get(pair, UNTOLD)
    return target


def _gap(spans: list, a: int, b: int) -> int:
    a, b = min(a, b), max(a, b)
    return spans[b][0] - spans[a][1]


def _links(marked: Marked, where: dict, mentions: list, spans: list) -> torch.Tensor:
    target = torch.zeros(len(spans), len(spans), len(LINKS))
    target[torch.ones(len(spans), len(spans)).tril().bool()] = UNTOLD
    for later, mention in enumerate(mentions):
        # only a later mention is asked whom it speaks of; what has owners or groups is no later mention
        barred = [0] if mention.label != LATER else []
        target[:, later, barred] = UNTOLD
        if mention.label == LATER:
            for thing in mention.things:
                for earlier in where[thing]:
                    if earlier < later:
                        target[earlier, later, 0] = 1
    kinds = {mention.things[0]: mention.label for mention in mentions if mention.label not in (LATER, "absent")}
    for subject, what, *others in marked.statements:
        if what not in ("of", "member") or what == "of" and kinds.get(subject) == "object":
            continue
        for other in others:
            pairs = [(a, b) for a, b in product(where[subject], where[other]) if a != b]
            nearest = min(pairs, key=lambda pair: (_gap(spans, *pair), pair), default=None)
            for a, b in pairs:
                name = {"of": ("owned", "owner"), "member": ("member", "group")}[what][a > b]
                target[min(a, b), max(a, b), LINKS.index(name)] = 1 if (a, b) == nearest else UNTOLD
    return target
