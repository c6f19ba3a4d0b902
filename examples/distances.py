"""
Do rows of the benchmark have smaller CLIP distances, and fewer errors with them? Of pictures that `evaluate.py` drew,
by the distance of the whole picture from its prompt, which is what choosing and optimising make smaller.

    python examples/evaluate.py PROMPTS --output FOLDER --configurations examples/optimizer_study.yaml
    python examples/distances.py PROMPTS --output FOLDER --configurations examples/optimizer_study.yaml

Every row is compared with the first one, picture by picture.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from spacetime_attn import default_model
from spacetime_attn.examples.evaluate import load_pipeline, read_prompts, read_result, row_folder, row_name
from spacetime_attn.examples.methods import clip_distances, expand
from spacetime_attn.examples.metrics import score_picture
from spacetime_attn.examples.report import picture_name
from spacetime_attn.processors.clip_objective import ImageTextModel


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("prompts", type=Path, help="the prompt file that evaluate.py took")
    add("--output", type=Path, required=True, help="the folder that evaluate.py filled")
    add("--configurations", type=Path, required=True, help="the rows that it drew, YAML or JSON")
    add("--limit", type=int, help="only the first prompts")
    add("--model", default=default_model(), help="checkpoint whose CLIP measures, id or folder (default: what ships)")
    arguments = parser.parse_args(argv)
    prompts = read_prompts(arguments.prompts)[: arguments.limit]
    configurations = yaml.safe_load(arguments.configurations.read_text(encoding="utf-8"))
    rows = expand(configurations, with_true_layouts=all("boxes" in record for record in prompts))
    clip = load_pipeline(arguments.model, torch.device("cpu"), torch.float32).image_text_model()

    print("| | distance | less than the first's | errors |\n| :-- | --: | --: | --: |")
    first = None
    for name in map(row_name, rows):
        folder = row_folder(arguments.output, name)
        distances = np.array([distance(clip, record, folder) for record in prompts])
        first = distances if first is None else first
        less = first - distances
        spread = less.std() / len(less) ** 0.5
        scores = [score_picture(record, read_result(folder, record)["detections"]) for record in prompts]
        errors = np.mean([score["errors"][0] for score in scores])
        print(f"| {name} | {distances.mean():.4f} | {less.mean():.4f} ± {spread:.4f} | {errors:.2f} |")
    print("\n±: standard error of the mean over the prompts.")


def distance(clip: ImageTextModel, record: dict, folder: Path) -> float:
    """Of a prompt's picture, 0..2."""
    with Image.open(folder / picture_name(record)) as picture:
        return clip_distances(clip, record["prompt"], [picture])[0]


if __name__ == "__main__":
    main()
