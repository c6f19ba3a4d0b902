"""
Prints how long the layout predictors take on one CPU core: `python examples/layouts/speed.py`.

For a prompt, on those of tests/constructions.jsonl; and to start, beside importing torch, diffusers and spaCy alone.
Times are those that the processor spent, so that other work on the machine does not count.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path


PROMPTS = Path(__file__).parents[2] / "tests" / "constructions.jsonl"
RUNS = 3
LIBRARIES = "import torch, spacy\nfrom diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline"
STARTS = {
    "torch, diffusers and spaCy": LIBRARIES,
    "the pipeline": "from spacetime_attn import SpaceTimeAttnPipeline",
    "rules": "from spacetime_attn import RuleLayoutPredictor",
    "transformer": "from spacetime_attn import TransformerLayoutPredictor",
}


def main() -> None:
    """Prints both."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name, code in STARTS.items():
        print(f"{name}: {min(start_up(code) for _ in range(RUNS)):.2f} s to import", flush=True)
    import torch

    from spacetime_attn import RuleLayoutPredictor, TransformerLayoutPredictor

    torch.set_num_threads(1)
    prompts = [json.loads(line)["prompt"] for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    for name, predictor in (("rules", RuleLayoutPredictor()), ("transformer", TransformerLayoutPredictor())):
        start = time.process_time()
        predictor("a cup and a ball")
        loaded = time.process_time()
        for prompt in prompts:
            predictor(prompt)
        milliseconds = 1000 * (time.process_time() - loaded) / len(prompts)
        print(f"{name}: {milliseconds:.1f} ms a prompt, after {loaded - start:.2f} s for the first one", flush=True)


def start_up(code: str) -> float:
    """Seconds of processor time of a Python that runs the code."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
