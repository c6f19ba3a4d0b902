"""The console command `spacetime-attn`: argument parsing over the pipeline."""

import argparse
import errno
import io
import json
import math
import os
import re
import signal
import sys
import tempfile
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from . import __version__, default_model
from .layout.files import write_whole


Targets = dict[str, list[Path]]  # the files that a job is going to write, by the option that asks for them

# The options that may stand beside --like.
_WITH_LIKE = {"like", "output", "seed", "weights", "model", "device", "dtype", "show_layout", "save_layout"}
_WITH_LIKE |= {"save_weights", "no_metadata", "lora", "ip_adapter", "command", "default_of"}

# Those that do not stand beside --num-frames.
_OF_PICTURES = ("num_images", "optimize", "upscale", "show_layout", "save_weights")

_DTYPES = ("float32", "float16", "bfloat16")
_MEANINGFUL = set('/\\:*?"<>|')  # to some shell or disk
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)  # on Windows, in any folder


class Output(NamedTuple):
    """A file: its path, what writes it there, and what is to be said of it."""

    path: Path
    write: Callable[[Path], None]
    note: str = ""


class Job(NamedTuple):
    """One prompt of a run; `id` names its files where there are many prompts."""

    prompt: str
    id: str | None = None

    def place(self, path: str, suffix: str) -> Path:
        """The file `path` for a single prompt, a file named by the id in the folder `path` for many."""
        return Path(path) if self.id is None else Path(path) / f"{self.id}{suffix}"

    def places(self, path: str | None, suffix: str, count: int = 1) -> list[Path]:
        """That file, or so many that are numbered from 1; none without `path`."""
        if path is None:
            return []
        place = self.place(path, suffix)
        return [place] if count == 1 else [place.with_stem(f"{place.stem}-{n + 1}") for n in range(count)]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Runs the command; returns its exit code. Mistakes in what it was given end it with one line and code 2, Ctrl-C with
    one line and code 130, and who no longer reads what it prints with code 141.
    """
    try:
        try:
            args = build_parser().parse_args(argv)
            os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on shared cores
            args.command(args)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # which is flushed once more at the very end
        return 141
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"spacetime-attn: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("spacetime-attn: interrupted", file=sys.stderr)
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    parser = argparse.ArgumentParser(prog="spacetime-attn", description="Pictures with every object in its place.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_generate(commands.add_parser("generate", help="make a picture of a prompt, or of each prompt in a file"))
    _add_layout(commands.add_parser("layout", help="show which object of a prompt would go where"))
    _add_app(commands.add_parser("app", help="open a page to see regions, move them, and draw"))
    _add_export(commands.add_parser("export", help="write the self-contained folder for the Hub"))
    return parser


def _add_prompts(parser: argparse.ArgumentParser, from_pictures: bool = False) -> None:
    """What both commands that read prompts have: which model gets them, and what decides on its layouts."""
    which = parser.add_mutually_exclusive_group(required=True)
    if from_pictures:
        which.add_argument("--like", metavar="PICTURE.png", help="make a picture again that this command wrote")
    which.add_argument("prompt", nargs="?", help='for example "a red apple to the left of a blue car"')
    which.add_argument("--prompts", metavar="FILE.jsonl", help='many: one {"id": ..., "prompt": ...} a line')
    _add_model(parser)
    add = parser.add_argument
    add("--objects", nargs="+", metavar="WORDS", help="in the prompt's words; these and no others")
    add("--width", type=_count, metavar="PIXELS", help="default: the model's")
    add("--height", type=_count, metavar="PIXELS", help="default: the model's")
    add("--background", metavar="TEXT", help="what is where no object is, as a local description")
    add("--save-layout", metavar="FILE", help="write the layout (JSON); with --prompts a folder")


def _add_model(parser: argparse.ArgumentParser) -> None:
    """The pipeline, and what it does by default."""
    add = parser.add_argument
    add("--model", metavar="PLACE", help="folder, file or Hub id of a checkpoint (default: what ships)")
    add("--layout-predictor", choices=["rules", "transformer", "llm", "auto"], help="default: the checkpoint's")
    add("--llm", metavar="PLACE", help="language model, asked where the reader is not sure; by its id or folder")
    add("--preset", choices=["official", "early"], help="settings in the place of the checkpoint's")
    add("--box-scale", type=_number, metavar="X", help="sides of predicted boxes (default: the checkpoint's)")
    add("--prompt-syntax", choices=["plain", "a1111", "compel"], help="how weights stand in texts (default: plain)")


def _add_adapters(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--lora",
        action="append",
        default=[],
        metavar="[NAME=]PLACE[:SCALE]",
        help="load a LoRA: file, folder or Hub path; regions name it so. May be given several times",
    )
    add("--ip-adapter", metavar="PLACE[:SCALE]", help="load an IP-Adapter, for regions that have a picture")
    add("--motion-adapter", metavar="PLACE", help="draw videos, with this adapter of AnimateDiff: folder or Hub id")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="default: cuda or mps where there is one, else cpu")
    parser.add_argument("--dtype", choices=_DTYPES, help="default: float32")


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=generate, default_of=parser.get_default)
    _add_prompts(parser, from_pictures=True)
    _add_adapters(parser)
    add = parser.add_argument
    add("-o", "--output", required=True, help="the picture's file; with --prompts a folder for <id>.png")
    add("--num-frames", type=_count, metavar="N", help="of a video, by AnimateDiff: a .gif in the picture's place")
    add(
        "--key-frame",
        type=_key_frame,
        action="append",
        default=[],
        metavar="FRAME=FILE",
        help="another layout, as --layout is that of frame 0: regions move between them. May be given several times",
    )
    add("--resume", action="store_true", help="leave out prompts whose files are all there")
    add("--steps", type=_count, metavar="N", help="sampling steps (default: the pipeline's)")
    add("--seed", type=_seed, help="of the first picture, the next ones count up (default: 0, or that of --like)")
    add("--guidance-scale", type=_number, metavar="X", help="classifier-free guidance (default: the pipeline's)")
    add("--negative-prompt", metavar="TEXT", help="what the picture should not show")
    add("--true-cfg-scale", type=_number, metavar="X", help="FLUX.1: above 1, how strongly that acts (default: 1)")
    add("--layout", metavar="FILE", help="use this layout (JSON); with --prompts a folder of <id>.json")
    add("--format", metavar="NAME", help="the --layout is another tool's: comfyui, flux3, ...")
    add("--blend", choices=["guided", "convex"], help="how local attention is mixed in (default: the checkpoint's)")
    add("--weights", type=_number_or_path, metavar="X|FILE", help="combination weights (default: the checkpoint's)")
    add(
        "--depth-order",
        action=argparse.BooleanOptionalAction,
        help="whether regions give way to those in front of them (default: the checkpoint's)",
    )
    add("--adapter-layers", choices=["all", "cross_attention"], help="where LoRAs of regions act (default: all)")
    add("--separation-strength", type=_number, metavar="X", help="keep neighbours apart (default: the checkpoint's)")
    add("--separation-end", type=_number, metavar="X", help="in this part of the steps (default: the checkpoint's)")
    add("--optimize", type=_count, metavar="N", help="try N pictures of other noise and keep CLIP's choice")
    add("--upscale", type=_number, metavar="X", help="draw once more, with sides of X times, under the same layout")
    add("--upscale-strength", type=_number, metavar="X", help="how much of it is drawn anew (default: 0.2)")
    add("--upscale-stride", type=_count, metavar="PIXELS", help="draw that in windows so far apart")
    add("--num-images", type=_count, default=1, metavar="N", help="pictures of each prompt, numbered from 1")
    add("--save-weights", metavar="FILE", help="write the weights used (or .json); with --prompts a folder")
    add("--show-layout", action="store_true", help="also write <name>.layout.png: the picture and its regions")
    add("--no-metadata", action="store_true", help="write PNGs that do not tell what they were made from")
    _add_device(parser)


def _add_layout(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=layout)
    _add_prompts(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON; with --prompts one line for each prompt")
    form.add_argument("--format", metavar="NAME", help="print and save it for another tool: comfyui, flux3, ...")
    parser.add_argument("-o", "--output", metavar="FILE.png", help="draw it; with --prompts a folder for <id>.png")


def _add_app(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=app)
    _add_model(parser)
    _add_adapters(parser)
    _add_device(parser)
    parser.add_argument("--port", type=_count, metavar="N", help="default: the first free one from 7860 on")
    parser.add_argument("--listen", action="store_true", help="let other machines open the page, too")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=export)
    parser.add_argument("folder", help="a new folder, or one that an earlier export wrote")
    parser.add_argument("--assets-repo", metavar="USER/NAME", help="the Hub repository that will hold the folder")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--modular", action="store_true", help="blocks for Modular Diffusers, not the pipeline")
    kinds.add_argument("--space", action="store_true", help="the page as a Hugging Face Space, not the pipeline")


def generate(args: argparse.Namespace) -> None:
    """Makes pictures."""
    if args.like is not None:
        _generate_again(args)
        return
    jobs = _read_jobs(args)
    second = {"strength": args.upscale_strength, "stride": args.upscale_stride}
    second = {name: value for name, value in second.items() if value is not None}
    if second and args.upscale is None:
        raise ValueError(f"--upscale-{next(iter(second))} is for a second pass: add --upscale X.")
    _check_video(args)
    for option in ("objects", "layout_predictor", "llm", "box_scale"):
        if args.layout and vars(args)[option] is not None:
            raise ValueError(f"--{option.replace('_', '-')} is for layouts that are predicted, not for a --layout.")
    if args.format and not args.layout:
        raise ValueError("--format tells which tool a --layout is of: add --layout FILE.")
    targets = _checked_targets(_picture_targets, jobs, args)
    if args.resume:
        targets = {job: files for job, files in targets.items() if not _are_there(files)}
        _say(f"{len(jobs) - len(targets)} of {len(jobs)} are there already")
        if not targets:
            return
    from .adapters import with_pictures
    from .layout.regions import Layout
    from .processors.weights import read_weights
    from .upscaling import check_second_pass, upscale
    from .videos import most_frames

    read_weights(args.weights)  # or an error, before a model is loaded
    given = {job: _given_layouts(job, args) for job in targets}
    for layouts in given.values() if args.layout else ():
        _of_frames(layouts, args)  # or an error
    options = {
        "num_inference_steps": args.steps,
        "guidance_scale": args.guidance_scale,
        "negative_prompt": args.negative_prompt,
        "true_cfg_scale": args.true_cfg_scale,
        "width": args.width,
        "height": args.height,
        **({"num_frames": args.num_frames} if args.num_frames else {"num_images_per_prompt": args.num_images}),
        "blend": args.blend,
        "weights": args.weights,
        "adapter_layers": args.adapter_layers,
        "objects": None if args.background or args.key_frame else args.objects,
    }
    options = {name: value for name, value in options.items() if value is not None}
    adapters = _adapters(args)
    pipe = _load_pipeline(args, _device(args.device), adapters)
    if args.true_cfg_scale is not None and hasattr(pipe, "stock"):
        raise ValueError("--true-cfg-scale is for FLUX.1: leave it out. Here, --guidance-scale is what it is there.")
    draws_videos = not hasattr(pipe, "stock") and most_frames(pipe.pipe) > 1
    if (args.num_frames is not None) != draws_videos:
        told = "videos: add --num-frames N" if draws_videos else "pictures: add --motion-adapter PLACE for videos"
        raise ValueError(f"This checkpoint draws {told}.")
    for name in ("depth_order", "separation_strength", "separation_end"):
        if vars(args)[name] is not None:
            setattr(pipe, name, vars(args)[name])
    if args.upscale is not None:
        check_second_pass(pipe, [layouts[0] for layouts in given.values() if layouts], args.upscale, **second)
    regions = (region for layouts in given.values() for found in layouts.values() for region in found)
    if adapters.ip_adapter and not any(region.image for region in regions):
        _say("No region has a picture: the IP-Adapter takes no part.", sys.stderr)
    with Interrupts() as interrupts:
        if args.optimize:
            options["optimize_weights"] = interrupts.optimizer(args.optimize)
        for job, files in targets.items():
            layouts = given[job]
            if not args.layout and (args.background or args.key_frame):
                found = pipe.predict_layout(job.prompt, args.height, args.width, args.objects)
                layouts = {0: _with_background(found, args), **layouts}
            with with_pictures(pipe, layouts.get(0, Layout())):
                output = pipe(job.prompt, layout=_of_frames(layouts, args), generator=_generators(args), **options)
                if args.upscale is not None:
                    weights = output.weights
                    output = upscale(pipe, output, args.upscale, generator=_generators(args), **second)
                    output.weights = weights  # what is saved is of the first pass
            shrunk = 1 if args.layout else _shrunk(pipe)
            kept = None if args.no_metadata else adapters.files
            if draws_videos:
                _write_outputs(_video_outputs(output, files, args.seed or 0), _say)
            else:
                _write_outputs(_outputs(output, range(args.num_images), files, shrunk, kept), _say)
            _say(output.layouts[0])
            interrupts.end_of_job()


def _generate_again(args: argparse.Namespace) -> None:
    """Makes a picture again, or another one like it."""
    from .pictures import changes_since, check_again, draw_again, read_picture

    others = [name for name in vars(args) if name not in _WITH_LIKE and vars(args)[name] != args.default_of(name)]
    if others:
        raise ValueError(f"--{others[0].replace('_', '-')} does not go with --like, which takes it from the picture.")
    if isinstance(args.weights, float):
        raise ValueError("--weights with --like is the file that the picture was made with, not a number.")
    making = read_picture(args.like)
    check_again(making, args.seed, args.weights)
    if args.dtype is None and making.dtype not in _DTYPES:
        raise ValueError(f"The picture was made in {making.dtype!r}: add --dtype with one of {', '.join(_DTYPES)}.")
    job = Job(making.prompt)
    files = _checked_targets(_picture_targets, [job], args)[job]
    args.model, args.dtype = args.model or _model_of(making), args.dtype or making.dtype
    adapters = _adapters(args).for_picture(making)
    pipe = _load_pipeline(args, _device(args.device or making.device), adapters)
    for change in changes_since(making):
        _say(f"{change}: the picture may differ in single bits", sys.stderr)
    output = draw_again(pipe, making, args.seed, args.weights)
    number = making.number - 1 if args.seed is None else 0
    kept = None if args.no_metadata else adapters.files
    _write_outputs(_outputs(output, [number], files, 1, kept), _say)
    _say(output.layouts[number])


def layout(args: argparse.Namespace) -> None:
    """Prints and draws the layouts that `generate` would use, and what was read for them."""
    jobs = _read_jobs(args)
    targets = _checked_targets(_layout_targets, jobs, args)
    pipe = _load_pipeline(args)
    for job, files in targets.items():
        if args.format:
            found, exported = _exported(pipe, job, args)
            text, save, shrunk = exported.text, exported.save, 1
        else:
            found = pipe.predict_layout(job.prompt, args.height, args.width, args.objects)
            found = _with_background(found, args)
            text, save = (_summary if args.json else _text)(job, found, args.objects), found.save
            shrunk = _shrunk(pipe)
        _say(text)
        draw = partial(_save_drawing, found, shrunk, *pipe.picture_size(args.height, args.width))
        drawings = [Output(path, draw) for path in files["--output"]]
        saved = [Output(path, save) for path in files["--save-layout"]]
        _write_outputs(drawings + saved, partial(_say, stream=sys.stderr if args.json or args.format else sys.stdout))


def app(args: argparse.Namespace) -> None:
    """Opens the page, until Ctrl-C."""
    if find_spec("gradio") is None:
        raise ImportError('The page needs gradio: pip install "spacetime_attn[app]" (or ".[app]" in a clone).')
    adapters = _adapters(args)
    pipe = _load_pipeline(args, _device(args.device), adapters)
    from .editor.page import serve

    serve(pipe, args.port, args.listen, adapters.files)


def export(args: argparse.Namespace) -> None:
    """Writes the folder for the Hub."""
    if args.space and args.assets_repo:
        raise ValueError("--assets-repo does not go with --space, whose wheel holds everything.")
    if args.space:
        from .examples.space import export_space as write
    elif args.modular:
        from .examples.modular import export_modular as write
    else:
        from .examples.export import export as write

    for path in write(args.folder, *([] if args.space else [args.assets_repo])):
        _say(path)


def _exported(pipe, job: Job, args: argparse.Namespace):
    """A layout as it was predicted, for whatever checkpoint; and as another tool takes it."""
    from .layout.formats import export_layout
    from .layout.weighted_text import named_syntax

    height, width = pipe.picture_size(args.height, args.width)
    syntax = named_syntax(args.prompt_syntax or "plain")
    prompt = syntax.source(job.prompt) if syntax else job.prompt
    found = pipe.layout_predictor(prompt, aspect_ratio=width / height, objects=args.objects)
    found = _with_background(found.with_scaled_boxes(args.box_scale or 1), args)
    stem = job.id or Path(args.save_layout or "layout").stem
    exported = export_layout(found, args.format, width, height, stem)
    if exported.pictures and not args.save_layout:
        raise ValueError(f"--format {args.format} needs files for the masks of this layout: add --save-layout FILE.")
    return found, exported


def _given_layouts(job: Job, args: argparse.Namespace) -> dict:
    """Those of files: by 0 a picture's or the first frame's, and by their numbers those of other frames."""
    files = [(0, args.layout)] if args.layout else []
    return {frame: _with_background(_read_layout(job, file, args), args) for frame, file in files + args.key_frame}


def _read_layout(job: Job, file: str, args: argparse.Namespace):
    """The layout of a file, ours or another tool's."""
    from .layout.formats import find_format, import_layout
    from .layout.regions import Layout

    if args.format is None:
        return Layout.load(job.place(file, ".json"))
    return import_layout(job.place(file, find_format(args.format).suffix), args.format)


def _of_frames(layouts: dict, args: argparse.Namespace):
    """What is drawn under: the layout of a picture or of all frames, or where there are key frames one of each."""
    from .layout.key_frames import interpolated_layouts

    return interpolated_layouts(layouts, args.num_frames) if args.key_frame else layouts.get(0)


def _with_background(layout, args: argparse.Namespace):
    """The layout with the background that is asked for, if one is."""
    return replace(layout, background=args.background) if args.background else layout


def _summary(job: Job, layout, objects: Sequence[str] | None) -> str:
    """A layout and its reading as JSON; of many prompts, a line for each, with every region as its box."""
    data = layout.to_dict()
    if job.id is None:
        data["reading"] = _read(layout.prompt, objects).to_dict()
    else:
        boxes = [{"phrase": region.phrase, "box": list(region.bounds)} for region in layout.regions]
        data = {"id": job.id, "objects": boxes, "relations": data["relations"]}
    return json.dumps(data)


def _text(job: Job, layout, objects: Sequence[str] | None) -> str:
    """A layout and its reading in words."""
    text = "\n".join([str(layout), *_beside_regions(layout, _read(layout.prompt, objects))])
    return text if job.id is None else f"{job.id}: {job.prompt}\n{text}\n"


def _read(prompt: str, objects: Sequence[str] | None):
    """The reading behind a layout, without the warnings that its predictor has given."""
    from .layout.language import read_prompt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_prompt(prompt, objects=objects)


def _beside_regions(layout, reading) -> list[str]:
    """What goes beside regions and relations, in words: descriptions, what is left out, what is absent."""
    from .layout.objects import objects_of

    lines = [f"{part.phrase} is described as {part.description!r}" for part in layout.regions if part.description]
    placed = {(thing.start, thing.end) for thing in objects_of(reading)[0]}
    others = [e for e in reading.entities if e.kind != "object" and (e.start, e.end) not in placed]
    if others:
        lines.append(f"without a region: {', '.join(f'{entity.phrase} ({entity.kind})' for entity in others)}")
    if reading.negative_prompt:
        lines.append(f"negative prompt: {reading.negative_prompt}")
    return list(dict.fromkeys(lines))


def _say(text, stream=None) -> None:
    """Prints what a terminal's encoding lacks as escapes."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    print(str(text).encode(encoding, "backslashreplace").decode(encoding), file=stream)


# What is given


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"has to be a whole number from 1, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"has to be a whole number in 0..{2**63 - 1}, got {text!r}")
    return int(text)


def _number(text: str) -> float:
    with suppress(ValueError):
        if math.isfinite(float(text)):
            return float(text)
    raise argparse.ArgumentTypeError(f"has to be a finite number, got {text!r}")


def _number_or_path(text: str) -> float | str:
    try:
        float(text)
    except ValueError:
        return text
    return _number(text)


def _key_frame(text: str) -> tuple[int, str]:
    frame, _, file = text.partition("=")
    if not frame.isdecimal() or not file:
        raise argparse.ArgumentTypeError(f"has to be a frame's number and a file, as in 15=last.json, got {text!r}")
    return int(frame), file


def _check_video(args: argparse.Namespace) -> None:
    """Raises a ValueError if what is for pictures and what is for videos stand together."""
    if args.num_frames is None:
        if args.key_frame:
            raise ValueError("--key-frame is for videos: add --num-frames N.")
        return
    others = [name for name in _OF_PICTURES if vars(args)[name] != args.default_of(name)]
    if others:
        raise ValueError(f"--{others[0].replace('_', '-')} is for pictures, --num-frames for videos: leave one out.")
    if args.prompts is None and Path(args.output).suffix.lower() != ".gif":
        raise ValueError(f"A video is written as a GIF: give --output a name that ends in .gif, not {args.output!r}.")
    for place, (frame, file) in enumerate(args.key_frame):
        if frame == 0:
            raise ValueError(f"--key-frame 0={file}: frame 0 has the --layout; give it as that.")
        if frame >= args.num_frames:
            raise ValueError(f"--key-frame {frame}={file}: the frames are 0..{args.num_frames - 1}.")
        if frame in dict(args.key_frame[:place]):
            raise ValueError(f"--key-frame {frame}={file}: frame {frame} has one already.")


def _read_jobs(args: argparse.Namespace) -> list[Job]:
    if args.prompts is None:
        return [Job(args.prompt)]
    if args.objects:
        raise ValueError("--objects names the objects of a single prompt, not of many (--prompts).")
    try:
        lines = Path(args.prompts).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{args.prompts!r} is not UTF-8 text: {error}") from None
    jobs: dict[str, Job] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            job = _read_job(line, f"line {number} of {args.prompts!r}")
            other = jobs.setdefault(_same_on_some_disk(job.id), job)
            if other is not job:
                raise ValueError(f"The ids {other.id!r} and {job.id!r} in {args.prompts!r} would name the same files.")
    if not jobs:
        raise ValueError(f"There are no prompts in {args.prompts!r}.")
    return list(jobs.values())


def _read_job(line: str, where: str) -> Job:
    try:
        data = json.loads(line)
        job = Job(data["prompt"], data["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f'Each line has to be a JSON object {{"id": ..., "prompt": ...}}; {where} is not.') from None
    if not isinstance(job.prompt, str):
        raise TypeError(f"`prompt` has to be a string, got {job.prompt!r} in {where}.")
    if type(job.id) is int:
        job = job._replace(id=str(job.id))
    if not isinstance(job.id, str) or not _is_file_name(job.id):
        raise ValueError(f"`id` names the files, so {job.id!r} in {where} will not do: use letters and digits.")
    return job


def _is_file_name(text: str) -> bool:
    """Whether it is a plain one on every system."""
    is_plain = text.isprintable() and text == text.strip() and not set(text) & _MEANINGFUL
    return is_plain and text[:1] not in ("", ".") and text[-1] != "." and not _DEVICES.fullmatch(text)


def _checked_targets(targets_of: Callable, jobs: Sequence[Job], args: argparse.Namespace) -> dict[Job, Targets]:
    """What each job is going to write, which can be written."""
    if args.output and args.prompts is None:
        _check_picture_name(args.output)
    targets = {job: targets_of(job, args) for job in jobs}
    _check_targets(targets.values())
    return targets


def _picture_targets(job: Job, args: argparse.Namespace) -> Targets:
    pictures = job.places(args.output, ".gif" if args.num_frames else ".png", args.num_images)
    return {
        "--output": pictures,
        "--show-layout": [path.with_suffix(".layout.png") for path in pictures] if args.show_layout else [],
        "--save-layout": job.places(args.save_layout, ".json"),
        "--save-weights": job.places(args.save_weights, ".safetensors", args.num_images),
    }


def _layout_targets(job: Job, args: argparse.Namespace) -> Targets:
    from .layout.formats import find_format

    suffix = find_format(args.format).suffix if args.format else ".json"
    layouts = job.places(args.save_layout, suffix)
    if suffix == ".invk" and layouts and layouts[0].suffix != suffix:
        raise ValueError(f"--save-layout: files of --format {args.format} end in {suffix}, got {args.save_layout!r}.")
    return {"--output": job.places(args.output, ".png"), "--save-layout": layouts}


def _are_there(targets: Targets) -> bool:
    return all(path.exists() for paths in targets.values() for path in paths)


# The pipeline


def _adapters(args: argparse.Namespace):
    """What is to be loaded into the pipeline."""
    from .adapters import Adapters

    if args.ip_adapter and args.motion_adapter:
        raise ValueError("--ip-adapter is for pictures, --motion-adapter for videos: leave one out.")
    return Adapters.asked(args.lora, args.ip_adapter)


def _load_pipeline(args: argparse.Namespace, device: str | None = None, adapters=None):
    """
    The pipeline of `--model` with what other options change in it, and with `Adapters`; without a device, for layouts
    alone.
    """
    from .layout.weighted_text import named_syntax

    settings = {"preset": args.preset, **_predictor(args)}
    model = args.model or default_model()
    if args.prompt_syntax is not None:
        named_syntax(args.prompt_syntax)  # or what it lacks
    configs = _configs_of(model)
    if adapters:
        from .pipeline_spacetime_attn import SpaceTimeAttnPipeline

        adapters.check(SpaceTimeAttnPipeline.load_config(configs))
    with _quiet_loading():
        if device is None:
            pipe = _load_without_weights(configs, **settings)
        else:
            load = partial(_load_animated, args.motion_adapter) if args.motion_adapter else _load_whole
            pipe = load(model, configs, args.dtype or "float32", **settings).to(device)
        if adapters:
            adapters.load(pipe)
    if args.box_scale is not None:
        if pipe.defaults.region_shape != "box":
            raise ValueError("--box-scale is for boxes, and this checkpoint's regions are discs: add --preset early.")
        pipe.box_scale = args.box_scale
    if args.prompt_syntax is not None:
        if not hasattr(type(pipe), "prompt_syntax"):
            raise ValueError("--prompt-syntax is for Stable Diffusion 1.x, 2.x and XL, not for this checkpoint.")
        pipe.prompt_syntax = args.prompt_syntax
    return pipe


def _predictor(args: argparse.Namespace) -> dict:
    """The settings that decide who places objects. A language model tells at once what it lacks."""
    name, llm = args.layout_predictor, args.llm
    if name == "auto" and llm is None:
        raise ValueError("--layout-predictor auto needs --llm, the model that is asked where the reader is not sure.")
    if name != "llm" and llm is None:
        return {"layout_predictor": name} if name else {}
    if name in ("rules", "transformer"):
        raise ValueError(f"--llm is asked where the reader is not sure: leave --layout-predictor {name} out.")
    from .layout.llm import LLMLayoutPredictor

    asked = LLMLayoutPredictor() if llm is None else LLMLayoutPredictor(llm)
    return {"layout_predictor": name or "auto", "llm": asked}


def _load_whole(model: str, configs: str, dtype: str, **settings):
    """A pipeline of ours, or for other families and videos the one that the checkpoint names, under control."""
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    from .controlled import ControlledPipeline, check_draws_from_text, is_controlled
    from .pipeline_spacetime_attn import SpaceTimeAttnPipeline

    dtype, index = getattr(torch, dtype), SpaceTimeAttnPipeline.load_config(configs)
    if is_controlled(index):
        check_draws_from_text(index)
        return ControlledPipeline(DiffusionPipeline.from_pretrained(model, dtype=dtype), **settings)
    if not Path(model).is_file():
        dtypes = {"default": dtype, "layout_transformer": torch.float32}  # which places the same in any of them
        return SpaceTimeAttnPipeline.from_pretrained(model, dtype=dtypes, **settings)
    try:
        return SpaceTimeAttnPipeline.from_single_file(model, config=configs, dtype=dtype, **settings)
    except SingleFileComponentError as error:
        raise ValueError(f"{model!r} is no whole checkpoint: {error}") from None


def _load_animated(motion_adapter: str, model: str, configs: str, dtype: str, **settings):
    """A pipeline of ours that a motion adapter makes one for videos."""
    import torch
    from diffusers import MotionAdapter

    from .controlled import ControlledPipeline, is_controlled
    from .pipeline_spacetime_attn import SpaceTimeAttnPipeline
    from .videos import animated

    index = SpaceTimeAttnPipeline.load_config(configs)
    if is_controlled(index) or "text_encoder_2" in index:
        raise ValueError("--motion-adapter is for Stable Diffusion 1.x, and this checkpoint is another: leave it out.")
    try:
        adapter = MotionAdapter.from_pretrained(motion_adapter, dtype=getattr(torch, dtype))
    except Exception as error:  # of whatever kind: diffusers has many
        raise ValueError(f"--motion-adapter: {motion_adapter!r} cannot be loaded as one: {error}") from None
    pipe = _load_whole(model, configs, dtype, **settings)
    return ControlledPipeline(
        animated(pipe, adapter), pipe.defaults, layout_predictor=pipe.config.layout_predictor, llm=pipe.llm
    )


def _load_without_weights(configs: str, **settings):
    """Of the diffusion model nothing is read but the configs, which tell sizes, and the tokenizers."""
    import diffusers
    import torch

    from .controlled import ControlledPipeline, is_controlled
    from .pipeline_spacetime_attn import SpaceTimeAttnPipeline

    index = SpaceTimeAttnPipeline.load_config(configs)
    unread = ("text_encoder", "image_encoder", "safety_checker", "feature_extractor", "motion_adapter")
    parts = dict.fromkeys(name for name in index if name.startswith(unread))
    with torch.device("meta"):
        for name in ("transformer" if "transformer" in index else "unet", "vae"):
            library, kind = index[name]
            if library == "diffusers":
                kind = getattr(diffusers, kind)
                parts[name] = kind.from_config(kind.load_config(configs, subfolder=name))
    if "requires_safety_checker" in index:
        settings["requires_safety_checker"] = False
    if is_controlled(index):
        return ControlledPipeline(diffusers.DiffusionPipeline.from_pretrained(configs, **parts), **settings)
    return SpaceTimeAttnPipeline.from_pretrained(configs, **parts, **settings)


def _model_of(making) -> str:
    """The model that made a picture, where its name says which one that is."""
    from .pictures import DEFAULT_MODEL

    if making.model == DEFAULT_MODEL:
        return default_model()
    if making.model is None or "/" not in making.model:
        raise ValueError(f"The picture was made with {making.model or 'a model without a name'}: add --model PLACE.")
    return making.model


def _configs_of(model: str) -> str:
    """
    The folder with the configs and tokenizers of a checkpoint, which is a folder, a single file or an id on the Hub.

    Raises:
        ValueError, OSError: There is no such checkpoint, or its family is not supported.
    """
    from .controlled import check_checkpoint
    from .pipeline_spacetime_attn import SpaceTimeAttnPipeline

    place = _repository_like(model) if Path(model).is_file() else model
    folder = place if Path(place).is_dir() else _fetched(place)
    check_checkpoint(SpaceTimeAttnPipeline.load_config(folder))
    return folder


def _repository_like(file: str) -> str:
    """The repository whose configs fit a checkpoint in one file."""
    from diffusers.loaders.single_file_utils import fetch_diffusers_config, load_single_file_checkpoint

    from .controlled import check_checkpoint

    state = load_single_file_checkpoint(file)
    if "model.diffusion_model.input_blocks.0.0.weight" not in state:
        check_checkpoint({"_class_name": "another family in one file"})  # which tells those that are supported
    return fetch_diffusers_config(state)["pretrained_model_name_or_path"]


def _fetched(repository: str) -> str:
    from huggingface_hub import snapshot_download

    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", repository):
        raise ValueError(f"There is no folder or file {repository!r}.")
    try:
        return snapshot_download(repository, allow_patterns=["*.json", "tokenizer*/*", "layout_transformer/*"])
    except OSError as error:
        raise ValueError(f"There is no folder {repository!r}, and the Hub does not give it: {error}") from None


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Without the bars of what is loaded; those of what is downloaded stay."""
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    downloads = not are_progress_bars_disabled()
    libraries = [x for x in (diffusers_logging, transformers_logging) if x.is_progress_bar_enabled()]
    for library in libraries:
        library.disable_progress_bar()
    if downloads:
        enable_progress_bars()  # transformers has switched them off with its own
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bar()


def _device(name: str | None) -> str:
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name!r} cannot be used here: {error}") from None
    return name


def _generators(args: argparse.Namespace) -> list:
    """On the CPU, so that a seed gives the same picture on every device."""
    import torch

    return [torch.Generator("cpu").manual_seed((args.seed or 0) + i) for i in range(args.num_images)]


class Interrupts:
    """
    Ctrl-C in a `with` block. It ends an optimisation with the best so far; what one has found is drawn and written all
    the same, unless Ctrl-C comes twice. In another thread than the main one, which gets none, and where Ctrl-C is
    ignored, nothing changes.
    """

    def __init__(self):
        self.count = 0
        self.found = False  # what is not written yet

    def __enter__(self) -> "Interrupts":
        self._before = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._acts = in_main_thread and self._before not in (signal.SIG_IGN, None)
        if self._acts:
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *error) -> None:
        if self._acts:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, *signal_and_frame) -> None:
        self.count += 1
        if self.count > 1 or not self.found:
            raise KeyboardInterrupt

    def end_of_job(self) -> None:
        """Raises what was put off."""
        self.found = False
        if self.count:
            raise KeyboardInterrupt

    def optimizer(self, epochs: int):
        """A `WeightOptimizer` that tells when it has found something."""
        from .processors.optimizer import WeightOptimizer

        class InterruptibleOptimizer(WeightOptimizer):
            def minimise(optimizer, *arguments):
                result = super().minimise(*arguments)
                self.found = True
                return result

        return InterruptibleOptimizer(epochs)


# What is written


def _outputs(
    output, numbers: Sequence[int], targets: Targets, shrunk: float, adapter_files: dict | None
) -> list[Output]:
    """
    The files of some of a call's pictures, what an optimisation has found first. For `shrunk` see `_shrunk`. They
    carry what they were made from, these files too, but not where that is None.
    """
    from .pictures import making_of

    makings = [making_of(output, number, adapter_files) for number in numbers]
    kept = [None if adapter_files is None else making for making in makings]
    images, layouts = ([of[number] for number in numbers] for of in (output.images, output.layouts))
    latents, history = (
        [None if of is None else of[number] for number in numbers] for of in (output.latents, output.loss_history)
    )
    weights = zip(targets["--save-weights"], (output.weights[number] for number in numbers), layouts, latents)
    notes = (_note(making.own_seed, distances) for making, distances in zip(makings, history))
    return [
        *(Output(path, partial(_save_weights, output.blend, *found)) for path, *found in weights),
        *(Output(path, layouts[0].save) for path in targets["--save-layout"]),
        *(
            Output(path, partial(_write_picture, *picture), note)
            for path, note, *picture in zip(targets["--output"], notes, images, kept)
        ),
        *(
            Output(path, partial(_save_shown, *picture, shrunk))
            for path, *picture in zip(targets["--show-layout"], images, layouts)
        ),
    ]


def _video_outputs(output, targets: Targets, seed: int) -> list[Output]:
    """The files of a video, and of the layout of its first frame."""
    from .videos import as_gif

    [video] = targets["--output"]
    return [
        *(Output(path, output.layouts[0].save) for path in targets["--save-layout"]),
        Output(video, lambda path: write_whole(path, as_gif(output.images)), _note(seed, None)),
    ]


def _note(seed: int | None, distances) -> str:
    """What made a picture."""
    begun = "the noise of its weights" if seed is None else f"seed {seed}"
    if distances is None:
        return f" ({begun})"
    distances = distances.tolist()
    best = min(range(len(distances)), key=lambda n: math.inf if math.isnan(distances[n]) else distances[n])
    tried = ", ".join(f"{distance:.4f}" for distance in distances)
    return f" ({begun}; distances {tried}: number {best + 1} is kept)"


def _save_weights(blend: str, weights, layout, latents, path: Path) -> None:
    from .processors.weight_files import save_weights

    save_weights(path, weights, blend, layout.phrases, latents)


def _shrunk(pipe) -> float:
    """The factor by which the checkpoint makes predicted boxes smaller, 1 where it does not."""
    return min(pipe.defaults.box_scale, 1) if pipe.defaults.region_shape == "box" else 1


def _save_shown(image, layout, shrunk: float, path: Path) -> None:
    """The picture beside itself with its regions drawn on it, large enough to read; what acts is dashed."""
    from .layout.draw import draw_layout, side_by_side

    factor = max(1, 512 // image.height)
    image = image.resize((factor * image.width, factor * image.height))
    drawing = draw_layout(layout.with_scaled_boxes(1 / shrunk), image, acting=layout)
    _write_picture(side_by_side(image, drawing), None, path)  # which is not what was made


def _save_drawing(layout, shrunk: float, height: int, width: int, path: Path) -> None:
    """The layout on a canvas of the picture's proportions, large enough to read; what acts is dashed."""
    from .layout.draw import draw_layout

    factor = max(1.0, 512 / max(height, width))
    size = {"width": round(factor * width), "height": round(factor * height)}
    _write_picture(draw_layout(layout.with_scaled_boxes(1 / shrunk), acting=layout, **size), None, path)


def _check_targets(targets: Iterable[Targets]) -> None:
    """
    Makes nothing, not even the folders that are missing.

    Raises:
        ValueError: A path that cannot be written, or that comes twice. It names option and path.
    """
    taken: dict[str, Path] = {}
    folders: set[Path] = set()
    for option, path in ((option, path) for files in targets for option, paths in files.items() for path in paths):
        try:
            _check_place(path, folders)
        except (OSError, UnicodeEncodeError) as error:
            reason = getattr(error, "strerror", "no name for a file here")
            raise ValueError(f"{option}: {str(path)!r} cannot be written ({reason}).") from None
        other = taken.setdefault(_same_on_some_disk(os.path.realpath(path)), path)
        if other is not path:
            raise ValueError(f"{option}: {str(path)!r} would be the same file as {str(other)!r}.")


def _same_on_some_disk(name: str) -> str:
    """Equal for names that some disks take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def _check_place(path: Path, writable: set[Path]) -> None:
    """Raises an OSError or a UnicodeEncodeError unless the file can be written; adds to the folders known to be so."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if path.is_file():
        open(path, "r+b").close()
    elif path.exists():  # a pipe or a device
        return
    path = Path(os.path.realpath(path))
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    for part in path.parts[len(folder.parts) :]:
        with suppress(FileNotFoundError):
            os.lstat(folder / part)  # which fails for a name that is too long, or that cannot be encoded
    if folder not in writable:
        tempfile.TemporaryFile(dir=folder).close()
        writable.add(folder)


def _check_picture_name(path: str | os.PathLike) -> None:
    """Raises a ValueError unless the name asks for a format in which pictures can be written."""
    from PIL import Image

    try:
        _encoded(Image.new("RGB", (8, 8)), Path(path))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{str(path)!r} is no name for a picture: give a file name such as picture.png.") from None


def _write_picture(image, making, path: Path) -> None:
    """Writes a `PIL.Image` in the format that the name asks for; a PNG with its making, if that is given."""
    write_whole(path, _encoded(image, path, making))


def _encoded(image, path: Path, making=None) -> bytes:
    from PIL import Image

    from .pictures import as_png

    if path.suffix.lower() == ".png":
        return as_png(image, making)
    data = io.BytesIO()
    image.save(data, format=Image.registered_extensions()[path.suffix.lower()])
    return data.getvalue()


def _write_outputs(outputs: Iterable[Output], say: Callable[[str], None]) -> None:
    """
    Writes all files that can be written, in this order, and then says which.

    Raises:
        Exception: That of the first of them that could not be written.
    """
    written, errors = [], []
    for path, write, note in outputs:
        try:
            Path(os.path.realpath(path)).parent.mkdir(parents=True, exist_ok=True)
            write(path)
            written.append(f"{path}{note}")
        except Exception as error:  # of whatever kind: what was made is not lost
            errors.append(error)
    for line in written:
        say(line)
    if errors:
        raise errors[0]
