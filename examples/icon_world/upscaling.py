"""
Do objects stay in their regions when pictures of icon world are drawn once more in twice the size?

    python -m spacetime_attn.examples.icon_world.upscaling examples/icon_world/prompts_dev.jsonl --output FOLDER

Draws each prompt at 64 pixels, and its second pass by each of the settings; the judge looks at all of them at 64
pixels. An object is in its region if something of its category and colour has its middle in the predicted box. Detail
is what 64 pixels cannot hold: the standard deviation, of 255, from the picture made as small and enlarged again.
A second start goes on where the first one stopped, and the table is of what is there.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from PIL import Image

from spacetime_attn import Layout, SpaceTimeAttnPipeline, default_model, upscale
from spacetime_attn.examples.evaluate import load_judge, noise_seed, read_prompts, write_json
from spacetime_attn.examples.metrics import score_picture, split_phrase, summarize


HERE = Path(__file__).parent
SETTINGS = {  # of the second pass, by name
    "first pass, enlarged": None,
    "second pass": {},
    "second pass, no regions": {"layout": Layout()},
    "second pass, guidance of the first": {"guidance_scale": 7.5},
    "second pass, windows": {"stride": 32},
    "second pass, control of the first": {"blend": "guided"},
    "second pass, control of the first, windows": {"blend": "guided", "stride": 32},
}


def main(argv: Sequence[str] | None = None) -> None:
    """Draws and judges what is not there, and prints the table."""
    args = build_parser().parse_args(argv)
    prompts, judge = read_prompts(args.prompts)[: args.limit], load_judge(args.judge, torch.device("cpu"))
    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model(), layout_predictor="rules")
    pipe.set_progress_bar_config(disable=True)
    args.output.mkdir(parents=True, exist_ok=True)
    results = []
    for record in prompts:
        file = args.output / f"{record['id']}.json"
        result = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        missing = [name for name in args.settings if name not in result]
        if missing:
            for name, image in draw(pipe, record, missing, args).items():
                small = image.resize((64, 64), Image.Resampling.LANCZOS)
                result[name] = {"found": judge([small], [record])[0], "detail": detail(image, small)}
                image.save(args.output / f"{record['id']} {name}.png")
            write_json(file, result)
        results.append(result)
    print(table(pipe, prompts, results, args.settings))


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("prompts", type=Path, help="JSON lines, as the benchmark's")
    add("--output", type=Path, required=True, help="folder for pictures and what was found in them")
    add("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), help="default: all of them")
    add("--judge", default=str(HERE / "judge"), help="folder of the judge (default: the one that ships)")
    add("--limit", type=int, default=60, help="prompts (default: %(default)s)")
    add("--steps", type=int, default=25, help="default: %(default)s")
    add("--strength", type=float, default=0.2, help="of the second pass (default: %(default)s)")
    add("--seed", type=int, default=0, help="another one gives other noise for every prompt (default: 0)")
    return parser


def draw(pipe: SpaceTimeAttnPipeline, record: dict, settings: Sequence[str], args) -> dict[str, Image.Image]:
    """A prompt's pictures by name, all from the same noise."""

    def noise() -> torch.Generator:
        return torch.Generator().manual_seed(noise_seed(args.seed, record["id"]))

    first = pipe(record["prompt"], num_inference_steps=args.steps, generator=noise())
    pictures = {}
    for name in settings:
        options = SETTINGS[name]
        if options is None:
            pictures[name] = first.images[0].resize((128, 128), Image.Resampling.LANCZOS)
        else:
            pictures[name] = upscale(pipe, first, 2, args.strength, generator=noise(), **options).images[0]
    return pictures


def detail(image: Image.Image, small: Image.Image) -> float:
    """How far a picture is from a smaller one of it."""
    enlarged = small.resize(image.size, Image.Resampling.LANCZOS)
    return float((np.asarray(image, dtype=float) - np.asarray(enlarged, dtype=float)).std())


def table(pipe: SpaceTimeAttnPipeline, prompts: list[dict], results: list[dict], settings: Sequence[str]) -> str:
    """What was found, a row for each setting."""
    lines = ["| | in their regions | of those there at first | too many, a picture | errors, a picture | detail |"]
    lines.append("| --- | --- | --- | --- | --- | --: |")
    layouts = [pipe.predict_layout(record["prompt"]).with_scaled_boxes(1 / pipe.box_scale) for record in prompts]
    placed = {
        name: [now for layout, result in zip(layouts, results) for now in in_regions(layout, result[name]["found"])]
        for name in settings
    }
    first = placed.get("first pass, enlarged", [])
    for name in settings:
        stayed = [now for before, now in zip(first, placed[name]) if before]
        scores = summarize([score_picture(record, result[name]["found"]) for record, result in zip(prompts, results)])
        many, errors = scores["spurious objects"], scores["errors"]
        lines.append(
            f"| {name} | {sum(placed[name])} of {len(placed[name])} | {sum(stayed)} of {len(stayed)} |"
            f" {many.value:.2f} [{many.low:.2f}, {many.high:.2f}] |"
            f" {errors.value:.2f} [{errors.low:.2f}, {errors.high:.2f}] |"
            f" {mean(result[name]['detail'] for result in results):.1f} |"
        )
    return "\n".join(lines)


def in_regions(layout: Layout, detections: Sequence[dict]) -> list[bool]:
    """Of each object, whether one like it has its middle in the object's box."""

    def is_there(phrase: str, box: Sequence[float]) -> bool:
        category, colour = split_phrase(phrase)
        for found in detections:
            x, y = ((found["box"][side] + found["box"][side + 2]) / 2 for side in (0, 1))
            alike = found["category"] == category and colour in (None, found["colour"])
            if alike and box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                return True
        return False

    return [is_there(region.phrase, region.bounds) for region in layout.regions]


if __name__ == "__main__":
    main()
