"""The commands by their names: `COMMANDS`. Each is called with the arguments."""

import sys
from argparse import Namespace
from functools import partial
from importlib.util import find_spec

from .generating import generate
from .jobs import read_jobs
from .layouts import exported_layout, predicted_layout
from .loading import asked_adapters, load_pipeline, usable_device
from .outputs import save_drawing, shrinking
from .reports import in_json, in_words, say
from .targets import checked_targets, layout_targets
from .writing import Output, write_outputs


def layout(args: Namespace) -> None:
    """Prints and draws the layouts that `generate` would use, and what was read for them."""
    jobs = read_jobs(args)
    targets = checked_targets(layout_targets, jobs, args)
    pipe = load_pipeline(args)
    for job, files in targets.items():
        if args.format:
            found, exported = exported_layout(pipe, job, args)
            text, save, shrunk = exported.text, exported.save, 1
        else:
            found = predicted_layout(pipe, job, args)
            text = (in_json if args.json else in_words)(job, found, args.objects)
            save, shrunk = found.save, shrinking(pipe)
        say(text)
        draw = partial(save_drawing, found, shrunk, *pipe.picture_size(args.height, args.width))
        drawings = [Output(path, draw) for path in files["--output"]]
        saved = [Output(path, save) for path in files["--save-layout"]]
        write_outputs(drawings + saved, partial(say, stream=sys.stderr if args.json or args.format else sys.stdout))


def app(args: Namespace) -> None:
    """Opens the page, until Ctrl-C."""
    if find_spec("gradio") is None:
        raise ImportError('The page needs gradio: pip install "spacetime_attn[app]" (or ".[app]" in a clone).')
    adapters = asked_adapters(args)
    pipe = load_pipeline(args, usable_device(args.device), adapters)
    from ..editor.page import serve

    serve(pipe, args.port, args.listen, adapters.files)


def export(args: Namespace) -> None:
    """Writes the folder for the Hub."""
    if args.space and args.assets_repo:
        raise ValueError("--assets-repo does not go with --space, whose wheel holds everything.")
    if args.space:
        from ..examples.space import export_space as write
    elif args.modular:
        from ..examples.modular import export_modular as write
    else:
        from ..examples.export import export as write

    for path in write(args.folder, *([] if args.space else [args.assets_repo])):
        say(path)


COMMANDS = {"generate": generate, "layout": layout, "app": app, "export": export}
