"""
Do rows of the benchmark have smaller CLIP distances, and fewer errors with them? Of pictures that `evaluate.py` drew,
by the distance of the whole picture from its prompt, which is what choosing and optimising make smaller.

    python examples/evaluate.py PROMPTS --output FOLDER --configurations examples/optimizer_study.yaml
    python examples/distances.py PROMPTS --output FOLDER --configurations examples/optimizer_study.yaml

Every row is compared with the first one, picture by picture.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from spacetime_attn import default_model
from spacetime_attn.examples.evaluate import load_pipeline, read_prompts, row_folder, row_name
from spacetime_attn.examples.methods import expand, pil_to_tensor
from spacetime_attn.examples.metrics import score_picture
from spacetime_attn.examples.report import picture_name, result_name
from spacetime_attn.processors.clip_objective import ClipObjective, ImageTextModel


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("prompts", type=Path, help="the prompt file")
    add("--output", type=Path, required=True, help="the folder with the pictures")
    add("--configurations", type=Path, required=True, help="the rows that were drawn")
    add("--limit", type=int, help="only the first prompts")
    add("--model", default=default_model(), help="whose CLIP it is (default: the checkpoint that ships)")
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
        errors = np.mean([count_errors(record, folder) for record in prompts])
        print(f"| {name} | {distances.mean():.4f} | {less.mean():.4f} ± {spread:.4f} | {errors:.2f} |")
    print("\n±: standard error of the mean over the prompts.")


@torch.no_grad()
def distance(clip: ImageTextModel, record: dict, folder: Path) -> float:
    """Of a prompt's picture, 0..2."""
    with Image.open(folder / picture_name(record)) as picture:
        return ClipObjective(clip, [record["prompt"]], [], [], [])(pil_to_tensor(picture)).item()


def count_errors(record: dict, folder: Path) -> int:
    """As the benchmark counts them."""
    detections = json.loads((folder / result_name(record)).read_text(encoding="utf-8"))["detections"]
    return score_picture(record, detections)["errors"][0]


if __name__ == "__main__":
    main()
