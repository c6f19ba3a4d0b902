"""
The benchmark: draws the prompts of a file with each configuration and counts what a detector finds in the pictures.

    python examples/evaluate.py prompts.jsonl --output results
    accelerate launch examples/evaluate.py prompts.jsonl --output results      # on several GPUs, same table

Real photographs, with any Stable Diffusion 1.x or 2.x and a zero-shot detector of transformers:

    python examples/evaluate.py prompts.jsonl --output results --model stable-diffusion-v1-5/stable-diffusion-v1-5 \\
        --judge google/owlv2-base-patch16-ensemble --dtype float16

A line of the prompt file is {"id", "prompt", "objects": ["red apple", ...], "relations": [{"subject", "relation",
"object"}]} with relations between phrases of "objects"; with "boxes", [x0, y0, x1, y1] in 0..1 for each object, every
method that takes layouts is also run with these. The noise belongs to the prompt's id: it is the same for all
configurations, and wherever the prompt is drawn. A second start goes on where the first one stopped.
"""

import argparse
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from zlib import crc32

import diffusers
import torch
import yaml
from accelerate import PartialState
from PIL import Image
from tqdm import tqdm

from spacetime_attn import Layout, SpaceTimeAttnPipeline, default_model
from spacetime_attn.examples.extras import need
from spacetime_attn.examples.icon_world.judge import IconJudge
from spacetime_attn.examples.methods import Draw, build, expand
from spacetime_attn.examples.metrics import score_picture, split_phrase
from spacetime_attn.examples.report import picture_grid, picture_name, result_name, write_tables
from spacetime_attn.examples.zero_shot import ZeroShotJudge


HERE = Path(__file__).parent
PERFECTLY_DRAWN = "predicted layouts, drawn perfectly"
Judge = Callable[[Sequence[Image.Image], Sequence[dict]], list[list[dict]]]


def main(argv: Sequence[str] | None = None) -> None:
    """Draws, judges, and writes table.md, table.json and grid.png into the output folder."""
    arguments = build_parser().parse_args(argv)
    need("matplotlib")
    diffusers.utils.logging.set_verbosity_error()
    state = PartialState(timeout=timedelta(days=7))  # who is done first waits for the others
    prompts = read_prompts(arguments.prompts)[: arguments.limit]
    configurations = yaml.safe_load(arguments.configurations.read_text(encoding="utf-8"))  # JSON is YAML, too
    rows = expand(configurations, with_true_layouts=all("boxes" in record for record in prompts))
    judge = load_judge(arguments.judge, state.device, arguments.judge_threshold)
    pipe = load_pipeline(arguments.model, state.device, getattr(torch, arguments.dtype))
    sampling = {"num_inference_steps": arguments.steps, "guidance_scale": arguments.guidance_scale}
    common = sampling | {name: getattr(arguments, name) for name in ("model", "dtype", "batch_size", "seed", "judge")}
    methods = [build(row, pipe, sampling) for row in rows]
    for row, draw in zip(rows, methods):
        folder = row_folder(arguments.output, row_name(row))
        claim_folder(folder, common | {"threshold": arguments.judge_threshold, "configuration": row}, state)
        run_row(row_name(row), folder, prompts, draw, judge, arguments.seed, arguments.batch_size, state)
    if state.is_main_process:
        report(arguments.output, prompts, list(map(row_name, rows)), common, arguments.grid)
    state.wait_for_everyone()


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("prompts", type=Path, help="the prompt file, JSON lines as above")
    add("--output", type=Path, required=True, help="folder for pictures, what was found in them, tables and grid")
    add("--configurations", type=Path, default=HERE / "benchmark.yaml", help="the table's rows, YAML or JSON")
    add("--model", default=default_model(), help="checkpoint, id or folder (default: what ships)")
    add("--judge", default=str(HERE / "icon_world" / "judge"), help="detector, id or folder (default: icon world's)")
    add("--judge-threshold", type=float, help="of its scores (default: the judge's own)")
    add("--steps", type=int, default=50, help="default: %(default)s")
    add("--guidance-scale", type=float, default=7.5, help="default: %(default)s")
    add("--seed", type=int, default=0, help="another one gives other noise for every prompt (default: 0)")
    add("--batch-size", type=int, default=4, help="prompts that are drawn at once (default: %(default)s)")
    add("--dtype", choices=["float32", "float16", "bfloat16"], default="float32", help="default: %(default)s")
    add("--limit", type=int, help="only the first prompts")
    add("--grid", type=int, default=8, help="prompts in the grid of pictures (default: %(default)s)")
    return parser


def read_prompts(path: Path) -> list[dict]:
    """
    The records of a prompt file.

    Raises:
        ValueError: A line lacks something, or relates what it does not list, or an id occurs twice.
    """
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for record in records:
        missing = {"id", "prompt", "objects", "relations"} - record.keys()
        if missing:
            raise ValueError(f"A line of {path} lacks {sorted(missing)}: {record}.")
        named = {relation[role] for relation in record["relations"] for role in ("subject", "object")}
        unknown = sorted(named - set(record["objects"]))
        if unknown:
            raise ValueError(
                f"The relations of prompt {record['id']!r} name {unknown}, which are none of its objects."
            )
    if len({record["id"] for record in records}) < len(records):
        raise ValueError(f"An id occurs twice in {path}.")
    return records


def load_pipeline(model: str, device: torch.device, dtype: torch.dtype) -> SpaceTimeAttnPipeline:
    """The checkpoint without its safety checker, whose black pictures would be counted as failures."""
    options = {"safety_checker": None, "requires_safety_checker": False}
    return SpaceTimeAttnPipeline.from_pretrained(model, dtype=dtype, **options).to(device)


def load_judge(name: str, device: torch.device, threshold: float | None = None) -> Judge:
    """Icon world's judge from its folder, or a zero-shot detector from a folder or by its id on the Hub."""
    options = {} if threshold is None else {"threshold": threshold}
    config = Path(name) / "config.json"
    if config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("_class_name") == "IconJudge":
        icons = IconJudge.from_pretrained(name, **options).to(device)
        return lambda images, prompts: [list(map(asdict, found)) for found in icons.detect(images)]
    photos = ZeroShotJudge.from_pretrained(name, device, **options)
    return lambda images, prompts: [
        list(map(asdict, photos.detect(image, record["objects"]))) for image, record in zip(images, prompts)
    ]


def row_name(row: dict) -> str:
    """What a row is called in the table."""
    return f"{row['name']} ({row['layouts']} layouts)" if "layouts" in row else row["name"]


def claim_folder(folder: Path, settings: dict, state) -> None:
    """
    Makes the folder of a row, or makes sure that it holds the same row.

    Raises:
        ValueError: It was begun with other settings.
    """
    file = folder / "settings.json"
    if state.is_main_process and not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, settings)
    state.wait_for_everyone()
    begun = json.loads(file.read_text(encoding="utf-8"))
    if begun != settings:
        changed = sorted(key for key in settings.keys() | begun.keys() if settings.get(key) != begun.get(key))
        raise ValueError(f"{folder} was begun with another {' and '.join(changed)}: choose another --output.")


def run_row(
    name: str, folder: Path, prompts: list[dict], draw: Draw, judge: Judge, seed: int, batch_size: int, state
) -> None:
    """
    Draws and judges what is not yet there; this process's share of it.

    Batches are made up before they are shared out, so that a prompt has the same neighbours in every run.
    """
    batches = [prompts[start : start + batch_size] for start in range(0, len(prompts), batch_size)]
    missing = [batch for batch in batches if not all((folder / result_name(record)).exists() for record in batch)]
    state.wait_for_everyone()  # nobody adds results before everybody has seen what is missing
    share = missing[state.process_index :: state.num_processes]
    for batch in tqdm(share, desc=name, unit="batch", disable=not state.is_local_main_process):
        generators = [torch.Generator().manual_seed(noise_seed(seed, record["id"])) for record in batch]
        images, layouts = draw(batch, generators)
        for record, image, layout, detections in zip(batch, images, layouts, judge(images, batch)):
            image.save(folder / picture_name(record))
            result = {"prompt": record["prompt"], "layout": layout and layout.to_dict(), "detections": detections}
            write_json(folder / result_name(record), result)
    state.wait_for_everyone()


def noise_seed(seed: int, id: str) -> int:
    """The seed of a prompt's noise."""
    return crc32(f"{seed} {id}".encode())


def report(output: Path, prompts: Sequence[dict], names: Sequence[str], settings: dict, grid: int) -> None:
    """Scores all that was found, prints and writes the tables, and draws the grid of the first prompts."""
    folders = {name: row_folder(output, name) for name in names}
    results = {name: [read_result(folder, record) for record in prompts] for name, folder in folders.items()}
    scores = {
        name: [score_picture(record, result["detections"]) for record, result in zip(prompts, found)]
        for name, found in results.items()
    }
    picture_grid(prompts[:grid], folders, scores, output / "grid.png")
    predicted = [name for name in names if name.endswith("(predicted layouts)")]
    if predicted:  # all of them share the predictor
        layouts = [result["layout"] for result in results[predicted[0]]]
        scores[PERFECTLY_DRAWN] = [score_layout(record, layout) for record, layout in zip(prompts, layouts)]
    print(write_tables(output, scores, settings | {"prompts": len(prompts)}))


def score_layout(prompt: dict, layout: dict) -> dict[str, tuple[int, int]]:
    """The score of a picture in which everything is as the layout has it: what is lost here, no drawing can mend."""
    categories = [split_phrase(phrase)[0] for phrase in prompt["objects"]]
    things = []
    for region in Layout.from_dict(layout).regions:
        category, colour = split_phrase(region.phrase)
        category = next((name for name in categories if f" {category}".endswith(f" {name}")), category)
        things.append({"category": category, "colour": colour, "box": region.bounds})
    return score_picture(prompt, things)


def row_folder(output: Path, name: str) -> Path:
    """The folder of a row's pictures and results."""
    return output / re.sub(r"[^\w.,()=+ -]", "_", name)


def read_result(folder: Path, record: dict) -> dict:
    """
    What was found in a prompt's picture.

    Raises:
        ValueError: The folder holds another prompt under this id.
    """
    result = json.loads((folder / result_name(record)).read_text(encoding="utf-8"))
    if result["prompt"] != record["prompt"]:
        raise ValueError(
            f"{folder} holds the prompt {result['prompt']!r} under the id {record['id']!r}, the file has"
            f" {record['prompt']!r}: choose another --output."
        )
    return result


def write_json(file: Path, data: dict) -> None:
    """Writes JSON at once or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, file)


if __name__ == "__main__":
    main()
