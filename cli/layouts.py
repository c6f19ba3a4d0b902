"""The layouts of a job: of files, predicted, and as another tool takes them."""

from argparse import Namespace
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .jobs import Job


def given_layouts(jobs: Iterable[Job], args: Namespace) -> dict[Job, dict]:
    """Those of files: by 0 a picture's or the first frame's, and by their numbers those of other frames."""
    files = [(0, args.layout)] if args.layout else []
    files += args.key_frame
    given = {job: {frame: _read_layout(job, file, args) for frame, file in files} for job in jobs}
    for layouts in given.values() if args.layout else ():
        of_frames(layouts, args)  # or an error
    return given


def of_frames(layouts: dict, args: Namespace):
    """What is drawn under: the layout of a picture or of all frames, or where there are key frames one of each."""
    from ..layout.key_frames import interpolated_layouts

    return interpolated_layouts(layouts, args.num_frames) if args.key_frame else layouts.get(0)


def predicted_layout(pipe, job: Job, args: Namespace):
    """As the pipeline would draw it."""
    return _with_background(pipe.predict_layout(job.prompt, args.height, args.width, args.objects), args)


def exported_layout(pipe, job: Job, args: Namespace):
    """A layout as it was predicted, for whatever checkpoint; and as another tool takes it."""
    from ..layout.formats import export_layout
    from ..layout.weighted_text import named_syntax

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


def _read_layout(job: Job, file: str, args: Namespace):
    """The layout of a file, ours or another tool's."""
    from ..layout.formats import find_format, import_layout
    from ..layout.regions import Layout

    if args.format is None:
        found = Layout.load(job.place(file, ".json"))
    else:
        found = import_layout(job.place(file, find_format(args.format).suffix), args.format)
    return _with_background(found, args)


def _with_background(layout, args: Namespace):
    """The layout with the background that is asked for, if one is."""
    return replace(layout, background=args.background) if args.background else layout
