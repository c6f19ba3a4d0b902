"""Whether options go together, and whether a pipeline does what they ask for. Mistakes are told as a ValueError."""

from argparse import Namespace
from pathlib import Path


# The options that may stand beside --like, and what the parser adds to all options.
_WITH_LIKE = {"like", "output", "seed", "weights", "model", "device", "dtype", "show_layout", "save_layout"}
_WITH_LIKE |= {"save_weights", "no_metadata", "lora", "ip_adapter"} | {"command", "default_of"}

_OF_PICTURES = ("num_images", "optimize", "upscale", "show_layout", "save_weights")  # and not of videos
_OF_PREDICTED_LAYOUTS = ("objects", "layout_predictor", "llm", "box_scale")
_OF_SECOND_PASSES = ("upscale_strength", "upscale_stride")


def check_options(args: Namespace) -> None:
    """Those of `generate`, without --like."""
    for name in _OF_SECOND_PASSES:
        if getattr(args, name) is not None and args.upscale is None:
            raise ValueError(f"{_written(name)} is for a second pass: add --upscale X.")
    if args.num_frames is not None:
        _check_video(args)
    elif args.key_frame:
        raise ValueError("--key-frame is for videos: add --num-frames N.")
    for name in _OF_PREDICTED_LAYOUTS:
        if getattr(args, name) is not None and args.layout:
            raise ValueError(f"{_written(name)} is for layouts that are predicted, not for a --layout.")
    if args.format and not args.layout:
        raise ValueError("--format tells which tool a --layout is of: add --layout FILE.")


def check_like(args: Namespace) -> None:
    """Those of `generate` with --like."""
    for name in vars(args):
        if name not in _WITH_LIKE and _is_given(name, args):
            raise ValueError(f"{_written(name)} does not go with --like, which takes it from the picture.")
    if isinstance(args.weights, float):
        raise ValueError("--weights with --like is the file that the picture was made with, not a number.")


def check_pipeline(pipe, args: Namespace) -> None:
    """Whether it draws what is asked for: pictures or a video, with the options of its family."""
    from ..videos import most_frames

    is_controlled = not hasattr(pipe, "stock")
    if args.true_cfg_scale is not None and not is_controlled:
        raise ValueError("--true-cfg-scale is for FLUX.1: leave it out. Here, --guidance-scale is what it is there.")
    draws_videos = is_controlled and most_frames(pipe.pipe) > 1
    if (args.num_frames is not None) != draws_videos:
        told = "videos: add --num-frames N" if draws_videos else "pictures: add --motion-adapter PLACE for videos"
        raise ValueError(f"This checkpoint draws {told}.")


def _check_video(args: Namespace) -> None:
    for name in _OF_PICTURES:
        if _is_given(name, args):
            raise ValueError(f"{_written(name)} is for pictures, --num-frames for videos: leave one out.")
    if args.prompts is None and Path(args.output).suffix.lower() != ".gif":
        raise ValueError(f"A video is written as a GIF: give --output a name that ends in .gif, not {args.output!r}.")
    for place, (frame, file) in enumerate(args.key_frame):
        if frame == 0:
            raise ValueError(f"--key-frame 0={file}: frame 0 has the --layout; give it as that.")
        if frame >= args.num_frames:
            raise ValueError(f"--key-frame {frame}={file}: the frames are 0..{args.num_frames - 1}.")
        if frame in dict(args.key_frame[:place]):
            raise ValueError(f"--key-frame {frame}={file}: frame {frame} has one already.")


def _is_given(name: str, args: Namespace) -> bool:
    return getattr(args, name) != args.default_of(name)


def _written(name: str) -> str:
    """An option as it is typed."""
    return f"--{name.replace('_', '-')}"
