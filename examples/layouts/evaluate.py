"""
Scores layout predictors, for the table in docs/measurements.md.

    python examples/layouts/evaluate.py FOLDER                         # rules and transformer
    python examples/layouts/evaluate.py FOLDER --llm Qwen/Qwen3-4B-Instruct-2507

FOLDER holds sets/*.jsonl, one {"id", "prompt", ...} with the ground truth a line; perhaps gpt_noise.json, ids whose
ground truth does not agree with the sentence; and score.py, which judges layouts, also those of
tests/constructions.jsonl, and is called as `score.py LAYOUTS.jsonl --json REPORT.json --data SETS`.

Sizes are asked in prompts that name two things of one half of sizes.csv, or of all of it: of those whose areas differ
by a factor of two or more, how often the larger one gets the larger box.

A language model is scored twice: its answers as they come, where what is not answered is wrong; and its layouts when
they are mended.
"""

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from asked import AskedModel
from imagined import sizes
from tqdm import tqdm

from spacetime_attn import RuleLayoutPredictor, TransformerLayoutPredictor
from spacetime_attn.examples.extras import need


EXAMPLES, TESTS = Path(__file__).parents[1], Path(__file__).parents[2] / "tests"
PAIRS = 500
TEMPLATES = (
    "a photo of the {} and the {}",
    "the {} to the left of the {}",
    "the {} is to the right of the {}",
    "the {} next to the {}",
    "the {} above the {}",
    "the {} below the {}",
)
COLUMNS = ("relA", "promptA", "axis", "triple", "obj", "extra")  # of score.py


def main() -> None:
    """Prints the scores of each predictor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with sets/*.jsonl and score.py, see above")
    names = ["rules", "transformer"]
    parser.add_argument("--predictors", nargs="*", choices=names, default=names, help="default: %(default)s")
    parser.add_argument("--model", metavar="FOLDER", help="of the transformer (default: the one that ships)")
    parser.add_argument("--llm", metavar="ID", help="a language model, too, by its id or folder")
    parser.add_argument("--limit", type=int, metavar="N", help="of the prompts of a set, at most (default: all)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of things, each time (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.llm:
        need("xgrammar")
    asked = AskedModel(arguments.llm) if arguments.llm else None
    kinds = {"rules": RuleLayoutPredictor, "transformer": partial(TransformerLayoutPredictor, arguments.model)}
    predictors = {name: kinds[name]() for name in arguments.predictors}
    if asked:
        predictors |= {f"{arguments.llm}, as it answers": asked.answered, f"{arguments.llm}, mended": asked.mended}
    for name, predictor in predictors.items():
        print(f"\n{name}", flush=True)
        for title, scores in relation_scores(predictor, arguments.folder, arguments.limit).items():
            found = {column: scores[column] for column in COLUMNS if scores[column] is not None}
            print(f"  {title:14}" + "".join(f"{column} {value:6.2f}  " for column, value in found.items()), flush=True)
        halves = {split: sizes(split) for split in ("train", "held_out")}
        for name, things in (halves | {"both": halves["train"] | halves["held_out"]}).items():
            part, count = size_order(predictor, things, arguments.pairs)
            print(f"  sizes, {name:8}: {100 * part:.1f} % of {count} pairs in the right order", flush=True)
    if asked:
        silent, mended = (f"{100 * share:.0f} %" for share in asked.shares())
        print(f"\n{arguments.llm}: {silent} of the prompts not answered, {mended} mended")


def relation_scores(predictor: Callable, folder: Path, limit: int | None = None) -> dict[str, dict]:
    """
    Args:
        predictor (`Callable`): From prompts to layouts.
        folder (`Path`): With `sets/*.jsonl` and `score.py`.
        limit (`int`, *optional*): Of the prompts of a set.

    Returns:
        What score.py says of each set and of tests/constructions.jsonl.
    """
    with tempfile.TemporaryDirectory() as scratch:
        sets, layouts, report = (Path(scratch) / name for name in ("sets", "layouts.jsonl", "scores.json"))
        sets.mkdir()
        for noise in folder.glob("gpt_noise.json"):  # score.py looks for it there
            shutil.copy(noise, scratch)
        with layouts.open("w", encoding="utf-8") as written:
            for path in (*sorted((folder / "sets").glob("*.jsonl")), TESTS / "constructions.jsonl"):
                lines = path.read_text(encoding="utf-8").splitlines()
                lines = lines[:: math.ceil(len(lines) / (limit or len(lines)))]
                (sets / path.name).write_text("\n".join(lines), encoding="utf-8")
                for prompt in map(json.loads, tqdm(lines, desc=path.stem, leave=False)):
                    layout = predictor(prompt["prompt"]).to_dict()
                    written.write(json.dumps({"id": prompt["id"]} | layout) + "\n")
        command = [sys.executable, folder / "score.py", layouts, "--json", report, "--data", sets]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(report.read_text(encoding="utf-8"))


def size_order(predictor: Callable, things: dict[str, tuple[float, float]], count: int) -> tuple[float, int]:
    """
    Args:
        predictor (`Callable`): From prompts to layouts.
        things (`dict[str, tuple[float, float]]`): Width and height of each.
        count (`int`): Pairs of things that are drawn, always the same ones.

    Returns:
        The part of the pairs in which the larger thing has the larger box (a pair of which not both things are found
        counts as wrong), and how many pairs there were.
    """
    dice = random.Random("pairs")
    pairs, right = [], 0
    while len(pairs) < count:
        first, second = dice.sample(sorted(things), 2)
        if abs(math.log(math.prod(things[first]) / math.prod(things[second]))) >= math.log(2):
            pairs.append((first, second))
    for first, second in tqdm(pairs, desc="sizes", leave=False):
        regions = predictor(dice.choice(TEMPLATES).format(first, second)).regions
        if len(regions) == 2:
            areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (region.bounds for region in regions)]
            right += (areas[0] > areas[1]) == (math.prod(things[first]) > math.prod(things[second]))
    return right / count, count


if __name__ == "__main__":
    main()
