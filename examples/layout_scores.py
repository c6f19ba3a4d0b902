"""
Scores layouts on a folder of prompt sets: `python examples/layout_scores.py FOLDER`.

The folder holds `sets/*.jsonl`, one {"id", "prompt", ...} with the ground truth a line, and the `score.py` that judges
predictions of the form {"id", "objects": [{"phrase", "box"}], "relations": [{"subject", "relation", "object"}]}.
Further arguments go to score.py (`--perrel`, `--dump errors.jsonl`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from spacetime_attn import RuleLayoutPredictor, TransformerLayoutPredictor


PREDICTORS = {"rules": RuleLayoutPredictor, "transformer": TransformerLayoutPredictor}


def predictions(prompts: list[dict], predictor: Callable) -> list[dict]:
    """One prediction a prompt."""
    lines = []
    for item in prompts:
        layout = predictor(item["prompt"]).to_dict()
        lines.append({"id": item["id"], "objects": layout["objects"], "relations": layout["relations"]})
    return lines


def main(argv: list[str] | None = None) -> None:
    """Predicts, prints the time for a prompt and hands the predictions to the folder's score.py."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with sets/*.jsonl and score.py")
    parser.add_argument("--predictor", choices=PREDICTORS, default="transformer", help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="where to keep the predictions (default: nowhere)")
    parser.add_argument("--nlp", help="a spaCy pipeline other than the one that ships")
    arguments, score_arguments = parser.parse_known_args(argv)
    files = sorted((arguments.folder / "sets").glob("*.jsonl"))
    if not files:
        parser.error(f"there are no prompt sets {arguments.folder / 'sets' / '*.jsonl'}")
    prompts = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    predictor = PREDICTORS[arguments.predictor](nlp=arguments.nlp)
    predictor("a warm-up")
    start = time.perf_counter()
    lines = predictions(prompts, predictor)
    milliseconds = 1000 * (time.perf_counter() - start) / len(prompts)
    print(f"{len(lines)} prompts, {milliseconds:.1f} ms each", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        output = arguments.output or Path(folder) / "predictions.jsonl"
        output.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        command = [sys.executable, str(arguments.folder / "score.py"), str(output), *score_arguments]
        raise SystemExit(subprocess.call(command))


if __name__ == "__main__":
    main()
