"""
Calibrates a packed reader: `python examples/reading/calibrate.py [layout/english]`.

The scores become shares: logits of tags, pairs, places and links are divided by temperatures that are likeliest on one
half of the marked prompts that training left out; on the other half the mean gap between scores and shares is printed.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import spacy
import torch
import torch.nn.functional as F
from corpus import is_development, marked_prompts
from targets import UNTOLD, Example, example

from spacetime_attn.layout.language import READER_NAME
from spacetime_attn.layout.reader import Reader


NAMES = ("tags", "pairs", "places", "links")
BINS = 10


@torch.inference_mode()
def outcomes(reader: Reader, examples: Sequence[Example]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """For each part the logits, (cases, classes) or (cases,), and what is true of them."""
    found = {name: ([], []) for name in NAMES}
    for one in examples:
        ids = torch.tensor([one.input_ids])
        states, tags = reader.network.encode(ids)
        truth = torch.tensor(one.tags)
        _add(found["tags"], tags[0], truth, truth != UNTOLD)
        if not one.spans:
            continue
        scores = reader.network.relate(states, ids != 0, torch.tensor([one.spans]), torch.tensor([one.labels]))
        _add(found["pairs"], scores.relations[0], one.relations, one.relations != UNTOLD)
        _add(found["links"], scores.links[0], one.links, one.links != UNTOLD)
        places = torch.zeros_like(scores.places[0])
        for mentions, place in one.places:
            best = max(mentions, key=lambda mention: scores.places[0, mention, place].item())
            places[mentions, place] = UNTOLD
            places[best, place] = 1
        _add(found["places"], scores.places[0], places, places != UNTOLD)
    return {name: (torch.cat(logits), torch.cat(truth)) for name, (logits, truth) in found.items()}


def _add(found: tuple[list, list], logits: torch.Tensor, truth: torch.Tensor, asked: torch.Tensor) -> None:
    found[0].append(logits[asked].float())
    found[1].append(truth[asked])


def temperature(logits: torch.Tensor, truth: torch.Tensor) -> float:
    """The likeliest of some temperatures."""
    choices = torch.logspace(-0.5, 0.7, 61).tolist()
    return min(choices, key=lambda choice: _surprise(logits / choice, truth))


def _surprise(logits: torch.Tensor, truth: torch.Tensor) -> float:
    if logits.ndim == 1:
        return F.binary_cross_entropy_with_logits(logits, truth).item()
    return F.cross_entropy(logits, truth).item()


def gap(logits: torch.Tensor, truth: torch.Tensor) -> float:
    """The expected calibration error (arXiv:1706.04599) of what is told: tags that are some, statements that hold."""
    if logits.ndim == 1:
        shares = logits.sigmoid()
        right = truth == 1
        told = shares > 0.5
    else:
        shares, chosen = logits.softmax(-1).max(-1)
        right, told = chosen == truth, chosen > 0
    shares, right = shares[told], right[told].float()
    bins = (shares * BINS).long().clamp(max=BINS - 1)
    gaps = [
        (bins == b).float().mean() * (shares[bins == b].mean() - right[bins == b].mean()).abs() for b in bins.unique()
    ]
    return sum(gaps).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parents[2] / "layout" / "english"
    parser.add_argument(
        "pipeline", type=Path, nargs="?", default=default, help="folder of pack.py, changed (default: what ships)"
    )
    options = parser.parse_args()
    nlp = spacy.load(options.pipeline)
    reader = nlp.get_pipe(READER_NAME)
    records = [record for record in marked_prompts() if is_development(record)]
    examples = [example(record, reader.tokenizer) for record in records]
    first, second = (outcomes(reader, examples[start::2]) for start in (0, 1))
    temperatures = {name: round(temperature(*first[name]), 3) for name in NAMES}
    for name in NAMES:
        logits, truth = second[name]
        print(
            f"{name:7} temperature {temperatures[name]:.3f}, gap {100 * gap(logits, truth):.1f} %"
            f" -> {100 * gap(logits / temperatures[name], truth):.1f} %"
        )
    reader.settings = replace(reader.settings, temperatures=temperatures)
    nlp.to_disk(options.pipeline)


if __name__ == "__main__":
    main()
