"""The loss of the reader's network on marked prompts: `loss`."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from targets import UNTOLD, Example

from spacetime_attn.layout.reader_model import MentionScores, ReaderNetwork


PARTS = ("tags", "counts", "arrangements", "places", "relations", "links")


def loss(network: ReaderNetwork, batch: Sequence[Example], weights: dict[str, float]) -> dict[str, torch.Tensor]:
    """
    The losses by part: of tags the mean over sub-words, of the others sums over mentions or pairs for each prompt,
    times the weights.

    Args:
        batch (`Sequence[Example]`): Prompts of about the same length.
        weights (`dict[str, float]`): One for each of `PARTS`.
    """
    input_ids = padded([example.input_ids for example in batch])
    states, tags = network.encode(input_ids)
    targets = padded([example.tags for example in batch], UNTOLD)
    result = {"tags": F.cross_entropy(tags.float().flatten(0, 1), targets.flatten(), ignore_index=UNTOLD)}
    longest = max(len(example.spans) for example in batch)
    if longest:
        spans = torch.zeros(len(batch), longest, 2, dtype=torch.long)
        labels = torch.zeros(len(batch), longest, dtype=torch.long)
        for row, example in enumerate(batch):
            count = len(example.spans)
            spans[row, :count] = torch.tensor(example.spans).view(count, 2)
            labels[row, :count] = torch.tensor(example.labels)
        scores = network.relate(states, input_ids != 0, spans, labels)
        for name, value in _of_mentions(scores, batch, longest).items():
            result[name] = value / len(batch)
    return {name: weights[name] * value for name, value in result.items()}


def padded(rows: Sequence[Sequence[int]], value: int = 0) -> torch.Tensor:
    """Rows of different lengths as one tensor."""
    longest = max(map(len, rows), default=0)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def _of_mentions(scores: MentionScores, batch: Sequence[Example], longest: int) -> dict[str, torch.Tensor]:
    def gathered(name: str, *shape: int) -> torch.Tensor:
        target = torch.full((len(batch), *shape), UNTOLD, dtype=getattr(batch[0], name).dtype)
        for row, example in enumerate(batch):
            values = getattr(example, name)
            target[(row, *map(slice, values.shape))] = values
        return target

    result = {
        name: F.cross_entropy(
            getattr(scores, name).float().flatten(0, -2),
            gathered(name, *shape).flatten(),
            ignore_index=UNTOLD,
            reduction="sum",
        )
        for name, shape in [
            ("counts", (longest,)),
            ("arrangements", (longest,)),
            ("relations", (longest, longest)),
        ]
    }
    links = gathered("links", longest, longest, scores.links.shape[-1])
    asked = links != UNTOLD
    result["links"] = F.binary_cross_entropy_with_logits(scores.links.float()[asked], links[asked], reduction="sum")
    result["places"] = sum(_of_places(scores.places[row].float(), example) for row, example in enumerate(batch))
    return result


def _of_places(logits: torch.Tensor, example: Example) -> torch.Tensor:
    """Of a thing's mentions, the one that tells a place best has to tell it, and the others may."""
    count = len(example.spans)
    free = torch.zeros_like(logits, dtype=torch.bool)
    free[count:] = True
    result = logits.new_zeros(())
    for mentions, place in example.places:
        free[mentions, place] = True
        result = result + F.softplus(-logits[mentions, place].max())
    return result + F.softplus(logits[~free]).sum()
