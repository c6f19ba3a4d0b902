"""
Does a smaller distance mean a better picture? Measured before anything is optimised with it.

    python examples/objective_study.py examples/icon_world/prompts_dev.jsonl --limit 60 --samples 6

Several pictures of each prompt, from different noise and at the checkpoint's fixed settings, are judged by a detector
and measured by CLIP in several ways. For each way the table says how often, of two pictures of the same prompt with
different numbers of errors, the better one has the smaller distance (0.5 is chance), and how many errors a picture has
that was chosen by it, beside the mean of all and the best of all.
"""

import argparse
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from spacetime_attn import default_model
from spacetime_attn.examples.evaluate import load_judge, load_pipeline, noise_seed, read_prompts
from spacetime_attn.examples.methods import clip_distances
from spacetime_attn.examples.metrics import score_picture


def grown(factor: float) -> Callable:
    """Windows that many times as large as the regions."""

    def grow(bounds: tuple[float, ...]) -> tuple[float, ...]:
        x, y, w, h = bounds[0] + bounds[2], bounds[1] + bounds[3], bounds[2] - bounds[0], bounds[3] - bounds[1]
        return (x - factor * w) / 2, (y - factor * h) / 2, (x + factor * w) / 2, (y + factor * h) / 2

    return grow


def squares(half_width: float) -> Callable:
    """Windows of one size around the regions' centres."""

    def around(bounds: tuple[float, ...]) -> tuple[float, ...]:
        x, y = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
        return x - half_width, y - half_width, x + half_width, y + half_width

    return around


JUDGE = str(Path(__file__).parent / "icon_world" / "judge")
WAYS = {  # name: windows, options of ClipObjective
    "whole picture": (grown(1.0), {"local_factor": 0.0}),
    "regions": (grown(1.0), {"local_factor": 5.0}),
    "regions alone": (grown(1.0), {"local_factor": 1e6}),
    "regions x 1.3": (grown(1.3), {"local_factor": 5.0}),
    "regions x 1.7": (grown(1.7), {"local_factor": 5.0}),
    "regions x 1.7, factor 1": (grown(1.7), {"local_factor": 1.0}),
    "squares of 0.2": (squares(0.2), {"local_factor": 5.0}),
    "official": (squares(0.2), {"local_factor": 5.0, "official": True}),
}


def main() -> None:
    """Draws, judges, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("prompts", type=Path, help="a prompt file as evaluate.py takes it")
    add("--limit", type=int, default=60, help="prompts (default: %(default)s)")
    add("--samples", type=int, default=6, help="pictures of each (default: %(default)s)")
    add("--steps", type=int, default=25, help="sampling steps (default: %(default)s)")
    add("--model", default=default_model(), help="checkpoint, id or folder (default: what ships)")
    add("--judge", default=JUDGE, help="detector, id or folder (default: icon world's)")
    arguments = parser.parse_args()
    pipe = load_pipeline(arguments.model, torch.device("cpu"), torch.float32)
    pipe.set_progress_bar_config(disable=True)
    judge = load_judge(arguments.judge, torch.device("cpu"))
    errors, distances = [], {name: [] for name in WAYS}
    for record in tqdm(read_prompts(arguments.prompts)[: arguments.limit], unit="prompt"):
        seeds = (noise_seed(sample, record["id"]) for sample in range(arguments.samples))
        output = pipe(
            record["prompt"],
            num_images_per_prompt=arguments.samples,
            num_inference_steps=arguments.steps,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        )
        found = judge(output.images, [record] * arguments.samples)
        errors.append([count_errors(record, detections) for detections in found])
        regions, clip = output.layouts[0].regions, pipe.image_text_model()
        for name, (window, options) in WAYS.items():
            distances[name].append(clip_distances(clip, record["prompt"], output.images, regions, window, **options))
    errors = np.array(errors)
    print("| measured | concordance | errors of the chosen |\n| :-- | --: | --: |")
    for name, values in distances.items():
        chosen = errors[np.arange(len(errors)), np.argmin(values, axis=1)]
        print(f"| {name} | {concordance(errors, np.array(values)):.3f} | {chosen.mean():.2f} |")
    print(f"\nErrors of all: {errors.mean():.2f}; of the best: {errors.min(axis=1).mean():.2f} a picture.")


def count_errors(record: dict, detections: list[dict]) -> int:
    """Objects missing or of the wrong colour, relations that do not hold, and things too many."""
    score = score_picture(record, detections)
    return score["errors"][0] + score["spurious objects"][0]


def concordance(errors: np.ndarray, distances: np.ndarray) -> float:
    """Of the pairs of pictures of one prompt that differ in errors, the part that the distance orders rightly."""
    right = [
        (a < b) == (x < y)
        for row, values in zip(errors, distances)
        for (a, x), (b, y) in combinations(zip(row, values), 2)
        if a != b
    ]
    return float(np.mean(right))


if __name__ == "__main__":
    main()
