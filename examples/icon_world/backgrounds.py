"""
What a layout's background does on icon world: draws prompts with several texts for what no region covers, and prints
what the judge finds, and how plain what is behind the things becomes.

    python -m spacetime_attn.examples.icon_world.backgrounds

Icon world's things stand on one colour, or on a gradient between the colours of the picture's four corners. Captions
say "on a plain background" or "on a soft gradient", sometimes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from spacetime_attn import SpaceTimeAttnPipeline, default_model
from spacetime_attn.examples.evaluate import load_judge, noise_seed, read_prompts
from spacetime_attn.examples.metrics import score_picture, summarize


HERE = Path(__file__).parent
TEXTS = ("", "a plain background", "a soft gradient", "nothing")  # the first is none
PLAIN = 12  # of 255: how far the corners' colours of a plain picture may lie apart
CORNER = 3  # pixels


def main(argv: Sequence[str] | None = None) -> None:
    """Draws, and prints a line for each text."""
    args = build_parser().parse_args(argv)
    prompts, judge = read_prompts(args.prompts)[: args.limit], load_judge(args.judge, "cpu")
    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model(), layout_predictor="rules")
    pipe.set_progress_bar_config(disable=True)
    print("| background | recall with colour | too many, a picture | errors, a picture | plain pictures |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for text in args.texts:
        images = [draw(pipe, record, text, args) for record in prompts]
        scores = [score_picture(record, found) for record, found in zip(prompts, judge(images, prompts))]
        found = summarize(scores)
        recall, many, errors = (found[name] for name in ("recall with colour", "spurious objects", "errors"))
        plain = np.mean([corner_spread(image) <= PLAIN for image in images])
        print(
            f"| {text or 'none'} | {recall.value:.3f} | {many.value:.2f} [{many.low:.2f}, {many.high:.2f}] |"
            f" {errors.value:.2f} [{errors.low:.2f}, {errors.high:.2f}] | {plain:.0%} |",
            flush=True,
        )


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--prompts", type=Path, default=HERE / "prompts_dev.jsonl", help="JSON lines (default: those of development)")
    add("--judge", default=str(HERE / "judge"), help="folder of the judge (default: the one that ships)")
    add("--texts", nargs="+", default=TEXTS, help="backgrounds; '' is none (default: %(default)s)")
    add("--limit", type=int, default=60, help="prompts (default: %(default)s)")
    add("--steps", type=int, default=25, help="default: %(default)s")
    add("--seed", type=int, default=0, help="another one gives other noise for every prompt (default: 0)")
    return parser


def draw(pipe: SpaceTimeAttnPipeline, record: dict, background: str, args: argparse.Namespace) -> Image.Image:
    """One picture; a prompt has the same noise with every background."""
    layout = replace(pipe.predict_layout(record["prompt"]), background=background)
    generator = torch.Generator().manual_seed(noise_seed(args.seed, record["id"]))
    output = pipe(record["prompt"], layout=layout, num_inference_steps=args.steps, generator=generator)
    return output.images[0]


def corner_spread(image: Image.Image) -> float:
    """How far the mean colours of a picture's corners lie apart at most, in any channel, of 255."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    ends = slice(CORNER), slice(-CORNER, None)
    corners = np.array([pixels[rows, columns].mean((0, 1)) for rows in ends for columns in ends])
    return float(np.ptp(corners, axis=0).max())


if __name__ == "__main__":
    main()
