"""
Measures what `train_joint.py` trained:

    python examples/icon_world/joint_report.py runs/sd3/checkpoint --output FOLDER

Single objects by default. With `--configurations`, prompts of several objects that no training has seen: plain
sampling beside `spacetime_attention` from the same noise, with layouts by the rules, as the world's checkpoint has
them. A configuration is a row of the table: its "name", fields of `Defaults`, and perhaps a "local_prompt_template"
or a "local_sight".
The tables are those of `examples/evaluate.py`. A second start goes on where the first one stopped.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import diffusers
import torch
import yaml
from accelerate import PartialState
from diffusers import StableDiffusion3Pipeline
from PIL import Image

from spacetime_attn import Layout, RuleLayoutPredictor, spacetime_attention
from spacetime_attn.examples.evaluate import claim_folder, load_judge, report, row_folder, row_name, run_row
from spacetime_attn.examples.icon_world.joint import NO_T5, load_joint_pipeline
from spacetime_attn.examples.icon_world.prompts import prompts, single_prompts
from spacetime_attn.examples.icon_world.scenes import SMALL_WORLD
from spacetime_attn.processors.defaults import Defaults


JUDGE = Path(__file__).parent / "judge"
PLAIN = "Stable Diffusion 3"


def draw_plain(
    pipe: StableDiffusion3Pipeline, sampling: dict[str, Any], records: list[dict], generators: list[torch.Generator]
) -> tuple[list[Image.Image], list[Layout | None]]:
    """The pipeline as it is."""
    texts = [record["prompt"] for record in records]
    return pipe(texts, generator=generators, max_sequence_length=NO_T5, **sampling).images, [None] * len(records)


def draw_controlled(
    pipe: StableDiffusion3Pipeline,
    sampling: dict[str, Any],
    predict: Callable[[str], Layout],
    records: list[dict],
    generators: list[torch.Generator],
    local_prompt_template: str = "a photo of {}",
    local_sight: str | None = None,
    **defaults,
) -> tuple[list[Image.Image], list[Layout | None]]:
    """The pipeline under control, with layouts predicted from the prompts and these [`Defaults`]."""
    preset = Defaults(**defaults)
    layouts = [preset.fitted(predict(record["prompt"])) for record in records]
    options = {"local_prompt_template": local_prompt_template, "local_sight": local_sight}
    with spacetime_attention(pipe, layouts, preset=preset, **options):
        return draw_plain(pipe, sampling, records, generators)[0], layouts


def main(argv: Sequence[str] | None = None) -> None:
    """Draws, judges, and writes table.md, table.json and grid.png into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("checkpoint", type=Path, help="folder of the pipeline")
    add("--output", type=Path, required=True, help="folder for pictures, what was found in them, tables and grid")
    add("--configurations", type=Path, help="the controlled rows of a table of several objects, YAML or JSON")
    add("--split", choices=["dev", "test"], default="dev", help="default: %(default)s")
    add("--objects", type=int, nargs="+", default=[2, 3], help="in those of several, in turn (default: 2 3)")
    add("--prompts", type=int, help="how many (default: 100 of single objects, 200 of several)")
    add("--steps", type=int, default=25, help="default: %(default)s")
    add("--guidance-scale", type=float, default=4.5, help="default: %(default)s")
    add("--batch-size", type=int, default=10, help="prompts that are drawn at once (default: %(default)s)")
    add("--seed", type=int, default=0, help="another one gives other noise for every prompt (default: 0)")
    arguments = parser.parse_args(argv)
    diffusers.utils.logging.set_verbosity_error()
    state = PartialState(cpu=True)
    pipe = load_joint_pipeline(arguments.checkpoint)
    pipe.set_progress_bar_config(disable=True)
    sampling = {"num_inference_steps": arguments.steps, "guidance_scale": arguments.guidance_scale}
    rows = {PLAIN: partial(draw_plain, pipe, sampling)}
    if arguments.configurations:
        records = list(prompts(arguments.split, arguments.prompts or 200, SMALL_WORLD, tuple(arguments.objects)))
        predict = cache(RuleLayoutPredictor())
        for configuration in yaml.safe_load(arguments.configurations.read_text(encoding="utf-8")):
            name = row_name({"name": configuration.pop("name"), "layouts": "predicted"})
            rows[name] = partial(draw_controlled, pipe, sampling, predict, **configuration)
    else:
        records = list(single_prompts(arguments.split, arguments.prompts or 100, SMALL_WORLD))
    judge = load_judge(str(JUDGE), torch.device("cpu"))
    settings = sampling | {name: str(getattr(arguments, name)) for name in ("checkpoint", "split", "objects", "seed")}
    for name, draw in rows.items():
        folder = row_folder(arguments.output, name)
        claim_folder(folder, settings | {"configuration": draw.keywords}, state)
        run_row(name, folder, records, draw, judge, arguments.seed, arguments.batch_size, state)
    report(arguments.output, records, list(rows), settings, grid=8)


if __name__ == "__main__":
    main()
