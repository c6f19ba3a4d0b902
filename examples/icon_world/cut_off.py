"""
Does a region draw an object that the text encoder does not read, because the prompt is too long?

    python -m spacetime_attn.examples.icon_world.cut_off [--steps 25]

Each of the 50 development prompts of three objects becomes a long one: a statement about two of them, words that mean
nothing until the encoder's last token has passed, and a statement about the third. Prints how often the judge finds
the third in its colour, with a region for it and without, and when the words between are left out.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from spacetime_attn import SpaceTimeAttnPipeline, default_model
from spacetime_attn.examples.evaluate import load_judge
from spacetime_attn.examples.metrics import score_picture


HERE = Path(__file__).parent
BATCH = 10


class Case(NamedTuple):
    """A prompt with its third object within reach, one with it beyond the encoder's end, and that object."""

    short: str
    long: str
    third: str


def main(argv: Sequence[str] | None = None) -> None:
    """Draws, judges and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=25, help="of sampling (default: %(default)s)")
    arguments = parser.parse_args(argv)
    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model())
    pipe.set_progress_bar_config(disable=True)
    judge = load_judge(str(HERE / "judge"), torch.device("cpu"))
    found = {"beyond the end, with a region": 0, "beyond the end, without": 0, "within reach, with a region": 0}
    all_cases = list(cases(pipe.tokenizer))
    for first in tqdm(range(0, len(all_cases), BATCH)):
        batch = all_cases[first : first + BATCH]
        full = [pipe.predict_layout(case.short) for case in batch]
        rest = [replace(layout, regions=layout.regions[:2], relations=()) for layout in full]
        long, short = [case.long for case in batch], [case.short for case in batch]
        for name, (prompts, layouts) in zip(found, ((long, full), (long, rest), (short, full))):
            noise = [torch.Generator().manual_seed(first + number) for number in range(len(batch))]
            images = pipe(prompts, layout=layouts, num_inference_steps=arguments.steps, generator=noise).images
            records = [{"prompt": case.short, "objects": [case.third], "relations": []} for case in batch]
            for record, detections in zip(records, judge(images, records)):
                found[name] += score_picture(record, detections)["recall with colour"][0]
    for name, count in found.items():
        print(f"{name}: {count} of {len(all_cases)}")


def cases(tokenizer) -> Iterator[Case]:
    """Of icon world's development prompts; the third object is the last in the text."""
    lines = (HERE / "prompts_dev.jsonl").read_text(encoding="utf-8").splitlines()
    for record in (record for record in map(json.loads, lines) if len(record["objects"]) == 3):
        told = record["relations"][0]
        a, relation, b = told["subject"], told["relation"], told["object"]
        third = next(name for name in record["objects"] if name not in (a, b))
        begin = f"the {a} is {relation} the {b}."
        end = f" the {third} is {'above' if relation in ('left of', 'right of') else 'left of'} the {a}."
        long = begin
        while len(tokenizer(long).input_ids) <= tokenizer.model_max_length:
            long += " it is shown here ."
        yield Case(begin + end, long + end, third)


if __name__ == "__main__":
    main()
