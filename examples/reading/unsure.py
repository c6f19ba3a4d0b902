"""
Where the reader is not sure, and how often it errs there: for the threshold of the predictor "auto".

    python examples/reading/unsure.py FOLDER

FOLDER is that of evaluate.py. A prompt's sureness is the least score of its reading, 0 where nothing is read. For each
threshold: the share of the prompts below it, the share of the faulty prompts (those whose layout has an error, by
score.py) and of all errors that are among them, and how much larger the share is of the faulty prompts than of the
others. The threshold is the one for which this was largest, with an earlier reader, on the development sets without
DSG-1k, whose annotations are noisy.
"""

import argparse
import io
import json
import logging
import warnings
from pathlib import Path

import torch
from evaluate import KINDS, development_sets, load_scorer, marked_set, predictions

from spacetime_attn import TransformerLayoutPredictor
from spacetime_attn.layout.auto import LEAST_SCORE, sureness
from spacetime_attn.layout.language import read_prompt


THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
COLUMNS = ("prompts", "faulty prompts", "errors", "faulty - others")


def measured(records: list[dict], score) -> tuple[torch.Tensor, torch.Tensor]:
    """For each prompt its sureness, 0..1, and how many errors score.py finds in its layout."""
    found = io.StringIO()
    score(records, predictions(TransformerLayoutPredictor(), records), found)
    errors = {line["id"]: len(line["err"]) for line in map(json.loads, found.getvalue().splitlines())}
    sure = [sureness(read_prompt(record["prompt"])) for record in records]
    return torch.tensor(sure), torch.tensor([float(errors.get(record["id"], 0)) for record in records])


def shares(below: torch.Tensor, errors: torch.Tensor) -> tuple[float, float, float, float]:
    """What `COLUMNS` name."""
    part, faulty = below.float(), errors > 0
    caught = part[faulty].mean().item()
    return part.mean().item(), caught, (part @ errors / errors.sum()).item(), caught - part[~faulty].mean().item()


def main() -> None:
    """Prints the table of each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with score.py and dev/*.jsonl, see above")
    folder = parser.parse_args().folder
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    score = load_scorer(folder).score
    development = development_sets(folder / "dev")
    sets = {
        "development": [one for name in ("challenge", "challenge2", "real_dev") for one in development[name]],
        "DSG-1k": development["dsg_dev"],
        "fresh, by which nothing was chosen": [one for name in KINDS for one in marked_set("fresh", name)],
    }
    for title, records in sets.items():
        sure, errors = measured(records, score)
        print(f"\n{title}: {len(records)} prompts, {(errors > 0).sum()} faulty, {errors.sum():.0f} errors")
        print("below " + "".join(f"{name:>17}" for name in COLUMNS))
        for threshold in THRESHOLDS:
            values = "".join(f"{100 * value:15.1f} %" for value in shares(sure < threshold, errors))
            print(f"{threshold:.2f}  {values}" + ("  <" if threshold == LEAST_SCORE else ""), flush=True)


if __name__ == "__main__":
    main()
