"""The arguments of the command, and what their values may be: `build_parser`."""

import argparse
import math
from contextlib import suppress

from .. import __version__


DTYPES = ("float32", "float16", "bfloat16")


def build_parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    parser = argparse.ArgumentParser(prog="spacetime-attn", description="Pictures with every object in its place.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, dest="command", metavar="command")
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
    parser.add_argument("--dtype", choices=DTYPES, help="default: float32")


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(default_of=parser.get_default)
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
    _add_prompts(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON; with --prompts one line for each prompt")
    form.add_argument("--format", metavar="NAME", help="print and save it for another tool: comfyui, flux3, ...")
    parser.add_argument("-o", "--output", metavar="FILE.png", help="draw it; with --prompts a folder for <id>.png")


def _add_app(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_adapters(parser)
    _add_device(parser)
    parser.add_argument("--port", type=_count, metavar="N", help="default: the first free one from 7860 on")
    parser.add_argument("--listen", action="store_true", help="let other machines open the page, too")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="a new folder, or one that an earlier export wrote")
    parser.add_argument("--assets-repo", metavar="USER/NAME", help="the Hub repository that will hold the folder")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--modular", action="store_true", help="blocks for Modular Diffusers, not the pipeline")
    kinds.add_argument("--space", action="store_true", help="the page as a Hugging Face Space, not the pipeline")


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
