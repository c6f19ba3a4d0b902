"""The console command `spacetime-attn`: argument parsing over the pipeline."""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import __version__, default_model


class Job(NamedTuple):
    """One prompt of a run; `id` names its files where there are many prompts."""

    prompt: str
    id: str | None = None

    def place(self, path: str, suffix: str) -> Path:
        """The file `path` for a single prompt, a file named by the id in the folder `path` for many."""
        return Path(path) if self.id is None else Path(path) / f"{self.id}{suffix}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code. Mistakes in what it was given end it with one line and code 2."""
    args = build_parser().parse_args(argv)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other where cores are shared
    try:
        args.command(args)
    except (ValueError, TypeError, OSError) as error:
        print(f"spacetime-attn: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    parser = argparse.ArgumentParser(prog="spacetime-attn", description="Pictures with every object in its place.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_generate(commands.add_parser("generate", help="make a picture of a prompt, or of each prompt in a file"))
    _add_layout(commands.add_parser("layout", help="show which object of a prompt would go where"))
    _add_export(commands.add_parser("export", help="write the self-contained folder for the Hub"))
    return parser


def _add_prompts(parser: argparse.ArgumentParser, default_predictor: str) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("prompt", nargs="?", help='for example "a red apple to the left of a blue car"')
    which.add_argument("--prompts", metavar="FILE.jsonl", help='many: one {"id": ..., "prompt": ...} a line')
    parser.add_argument("--objects", nargs="+", metavar="WORDS", help="in the prompt's words; these and no others")
    choices = ["rules", "transformer", "llm"]
    parser.add_argument("--layout-predictor", choices=choices, help=f"default: {default_predictor}")


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=generate)
    _add_prompts(parser, "the checkpoint's")
    add = parser.add_argument
    add("-o", "--output", required=True, help="the picture's file; with --prompts a folder for <id>.png")
    add("--model", metavar="ID_OR_PATH", help="any Stable Diffusion 1.x, 2.x or XL (default: the one that ships)")
    add("--steps", type=_count, metavar="N", help="sampling steps (default: the pipeline's)")
    add("--seed", type=_seed, default=0, help="of the first picture, the next ones count up (default: 0)")
    add("--guidance-scale", type=float, metavar="X", help="classifier-free guidance (default: the pipeline's)")
    add("--negative-prompt", metavar="TEXT", help="what the picture should not show")
    add("--layout", metavar="FILE", help="use this layout (JSON); with --prompts a folder of <id>.json")
    add("--blend", choices=["guided", "convex"], help="how local attention is mixed in (default: the checkpoint's)")
    add("--weights", type=_number_or_path, metavar="X|FILE", help="combination weights (default: the checkpoint's)")
    add("--optimize", type=_count, metavar="N", help="try N pictures of other noise and keep CLIP's choice")
    add("--width", type=_count, metavar="PIXELS", help="default: the model's")
    add("--height", type=_count, metavar="PIXELS", help="default: the model's")
    add("--num-images", type=_count, default=1, metavar="N", help="pictures of each prompt, numbered from 1")
    add("--save-layout", metavar="FILE", help="write the layout used (JSON); with --prompts a folder")
    add("--save-weights", metavar="FILE", help="write the weights used (or .json); with --prompts a folder")
    add("--show-layout", action="store_true", help="also write <name>.layout.png: the picture and its regions")
    add("--device", help="default: cuda or mps where there is one, else cpu")
    add("--dtype", choices=["float32", "float16", "bfloat16"], default="float32", help="default: float32")


def _add_layout(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=layout)
    _add_prompts(parser, "transformer")
    parser.add_argument("--width", type=_count, default=512, metavar="PIXELS", help="of the picture (default: 512)")
    parser.add_argument("--height", type=_count, default=512, metavar="PIXELS", help="of the picture (default: 512)")
    parser.add_argument("--json", action="store_true", help="print JSON; with --prompts one line for each prompt")
    parser.add_argument("-o", "--output", metavar="FILE.png", help="draw it; with --prompts a folder for <id>.png")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=export)
    parser.add_argument("folder", help="a new folder, or one that an earlier export wrote")
    parser.add_argument("--assets-repo", metavar="USER/NAME", help="the Hub repository that will hold the folder")


def generate(args: argparse.Namespace) -> None:
    """Makes pictures."""
    jobs = _read_jobs(args)
    if args.objects and args.layout:
        raise ValueError("--objects says which objects are placed, and --layout has placed them: leave one out.")
    for job in jobs:
        _check_picture_file(job.place(args.output, ".png"))
    for option, file, example in (
        ("--save-layout", args.save_layout, "layout.json"),
        ("--save-weights", args.save_weights, "weights.safetensors"),
    ):
        if file and args.prompts is None and Path(file).is_dir():
            raise ValueError(f"{option} {file!r} is a folder: give a file name such as {example}.")
    from .layout.regions import Layout

    layouts = [Layout.load(job.place(args.layout, ".json")) if args.layout else None for job in jobs]
    pipe = _load_pipeline(args)
    options = {
        "num_inference_steps": args.steps,
        "guidance_scale": args.guidance_scale,
        "negative_prompt": args.negative_prompt,
        "width": args.width,
        "height": args.height,
        "num_images_per_prompt": args.num_images,
        "blend": args.blend,
        "weights": args.weights,
        "optimize_weights": args.optimize,
        "objects": args.objects,
    }
    options = {name: value for name, value in options.items() if value is not None}
    for job, layout in zip(jobs, layouts, strict=True):
        output = pipe(job.prompt, layout=layout, generator=_generators(args), **options)
        _save(job, output, args)


def layout(args: argparse.Namespace) -> None:
    """Prints and draws layouts, and what was read for them."""
    jobs = _read_jobs(args)
    predict = _predictor(args.layout_predictor)
    for job in jobs:
        if args.output:
            _check_picture_file(job.place(args.output, ".png"))
        found = predict(job.prompt, aspect_ratio=args.width / args.height, objects=args.objects)
        print(_summary(job, found, args.objects) if args.json else _text(job, found, args.objects))
        if args.output:
            from .layout.draw import draw_layout

            _write_image(draw_layout(found, width=args.width, height=args.height), job.place(args.output, ".png"))


def export(args: argparse.Namespace) -> None:
    """Writes the folder for the Hub."""
    from .examples.export import export as write

    print(f"{len(write(args.folder, args.assets_repo))} files in {args.folder}")


def _predictor(name: str | None):
    if name == "rules":
        from .layout.rules import RuleLayoutPredictor

        return RuleLayoutPredictor()
    if name == "llm":
        from .layout.llm import LLMLayoutPredictor

        return LLMLayoutPredictor()
    from .layout.learned import TransformerLayoutPredictor

    return TransformerLayoutPredictor()


def _summary(job: Job, layout, objects: Sequence[str] | None) -> str:
    """A layout and its reading as JSON; of many prompts, a line for each, with every region as its box."""
    data = layout.to_dict()
    if job.id is None:
        data["reading"] = _read(job.prompt, objects).to_dict()
    else:
        boxes = [{"phrase": region.phrase, "box": list(region.bounds)} for region in layout.regions]
        data = {"id": job.id, "objects": boxes, "relations": data["relations"]}
    return json.dumps(data, ensure_ascii=False)


def _text(job: Job, layout, objects: Sequence[str] | None) -> str:
    """A layout and its reading in words."""
    text = "\n".join([str(layout), *_beside_regions(_read(job.prompt, objects))])
    return text if job.id is None else f"{job.id}: {job.prompt}\n{text}\n"


def _read(prompt: str, objects: Sequence[str] | None):
    """The reading behind a layout, without the warnings that its predictor has given."""
    from .layout.language import read_prompt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_prompt(prompt, objects=objects)


def _beside_regions(reading) -> list[str]:
    """What a reading has beside things and relations, in words: descriptions, what is left out, what is absent."""
    from .layout.objects import objects_of

    things, _ = objects_of(reading)
    lines = [f"{thing.phrase} is described as {thing.description!r}" for thing in things if thing.description]
    placed = {(thing.start, thing.end) for thing in things}
    others = [e for e in reading.entities if e.kind != "object" and (e.start, e.end) not in placed]
    if others:
        lines.append(f"without a region: {', '.join(f'{entity.phrase} ({entity.kind})' for entity in others)}")
    if reading.negative_prompt:
        lines.append(f"negative prompt: {reading.negative_prompt}")
    return list(dict.fromkeys(lines))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"has to be a whole number from 1, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"has to be a whole number in 0..{2**63 - 1}, got {text!r}")
    return int(text)


def _number_or_path(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _read_jobs(args: argparse.Namespace) -> list[Job]:
    if args.prompts is None:
        return [Job(args.prompt)]
    if args.objects:
        raise ValueError("--objects names the objects of a single prompt, not of many (--prompts).")
    try:
        lines = Path(args.prompts).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{args.prompts!r} is not UTF-8 text: {error}") from None
    jobs = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            job = _read_job(line, f"line {number} of {args.prompts!r}")
            if job.id in jobs:
                raise ValueError(f"The id {job.id!r} comes twice in {args.prompts!r}; ids name the files.")
            jobs[job.id] = job
    if not jobs:
        raise ValueError(f"There are no prompts in {args.prompts!r}.")
    return list(jobs.values())


def _read_job(line: str, where: str) -> Job:
    try:
        data = json.loads(line)
        job = Job(data["prompt"], str(data["id"]) if data["id"] is not None else "")
    except (ValueError, KeyError, TypeError):
        raise ValueError(f'Each line has to be a JSON object {{"id": ..., "prompt": ...}}; {where} is not.') from None
    if not isinstance(job.prompt, str):
        raise TypeError(f"`prompt` has to be a string, got {job.prompt!r} in {where}.")
    if job.id in ("", ".", "..") or set(job.id) & set('/\\:*?"<>|\0'):
        raise ValueError(f"`id` names the files, so {job.id!r} in {where} will not do: use letters and digits.")
    return job


def _load_pipeline(args: argparse.Namespace):
    import torch

    device = _device(args.device)
    from .pipeline_spacetime_attn import SpaceTimeAttnPipeline

    pipe = SpaceTimeAttnPipeline.from_pretrained(args.model or default_model(), dtype=getattr(torch, args.dtype))
    if args.layout_predictor:
        pipe.layout_predictor = args.layout_predictor
    return pipe.to(device)


def _device(name: str | None) -> str:
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name!r} cannot be used here: {error}") from None
    return name


def _generators(args: argparse.Namespace) -> list:
    """On the CPU, so that a seed gives the same picture on every device."""
    import torch

    return [torch.Generator("cpu").manual_seed(args.seed + i) for i in range(args.num_images)]


def _save(job: Job, output, args: argparse.Namespace) -> None:
    path = job.place(args.output, ".png")
    for number, (image, layout) in enumerate(zip(output.images, output.layouts, strict=True), 1):
        numbered = _numbered(path, number, args)
        _write_image(image, numbered)
        print(numbered)
        if args.show_layout:
            _write_image(_shown(layout, image), numbered.with_suffix(".layout.png"))
    if args.save_layout:
        target = job.place(args.save_layout, ".json")
        target.parent.mkdir(parents=True, exist_ok=True)
        output.layouts[0].save(target)
    if args.save_weights:
        _save_weights(job.place(args.save_weights, ".safetensors"), output, args)
    print(output.layouts[0])


def _numbered(path: Path, number: int, args: argparse.Namespace) -> Path:
    return path if args.num_images == 1 else path.with_stem(f"{path.stem}-{number}")


def _save_weights(path: Path, output, args: argparse.Namespace) -> None:
    from .processors.weights import save_weights

    path.parent.mkdir(parents=True, exist_ok=True)
    for number, (weights, layout) in enumerate(zip(output.weights, output.layouts, strict=True)):
        latents = None if output.latents is None else output.latents[number]
        save_weights(_numbered(path, number + 1, args), weights, output.blend, layout.phrases, latents)


def _shown(layout, image):
    """The picture beside itself with its regions drawn on it, large enough to read."""
    from .layout.draw import draw_layout, side_by_side

    factor = max(1, 512 // image.height)
    image = image.resize((factor * image.width, factor * image.height))
    return side_by_side(image, draw_layout(layout, image))


def _check_picture_file(path: Path) -> None:
    from PIL import Image

    writable = Image.registered_extensions().get(path.suffix.lower()) in Image.SAVE
    if not writable or path.is_dir() or any(parent.is_file() for parent in path.parents):
        raise ValueError(f"{str(path)!r} is no name for a picture: give a file name such as picture.png.")


def _write_image(image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
