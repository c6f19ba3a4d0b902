"""The command `generate`: pictures and videos of prompts, or a picture made again."""

import sys
from argparse import Namespace

from .arguments import DTYPES
from .checks import check_like, check_options, check_pipeline
from .interrupts import Interrupts
from .jobs import Job, read_jobs
from .layouts import given_layouts, of_frames, predicted_layout
from .loading import asked_adapters, load_pipeline, model_of, usable_device
from .outputs import picture_outputs, shrinking, video_outputs
from .reports import say
from .targets import Targets, are_there, checked_targets, picture_targets
from .writing import write_outputs


def generate(args: Namespace) -> None:
    """Makes pictures or videos."""
    if args.like is not None:
        _generate_again(args)
        return
    jobs = read_jobs(args)
    check_options(args)
    targets = checked_targets(picture_targets, jobs, args)
    if args.resume:
        targets = {job: files for job, files in targets.items() if not are_there(files)}
        say(f"{len(jobs) - len(targets)} of {len(jobs)} are there already")
    if targets:
        _generate_all(targets, args)


def _generate_all(targets: dict[Job, Targets], args: Namespace) -> None:
    """Draws and writes what is asked for, prompt by prompt. Mistakes are found before the first picture is drawn."""
    from ..processors.weights import read_weights
    from ..upscaling import check_second_pass

    read_weights(args.weights)  # or an error, before a model is loaded
    given = given_layouts(targets, args)
    adapters = asked_adapters(args)
    pipe = load_pipeline(args, usable_device(args.device), adapters)
    check_pipeline(pipe, args)
    for name in ("depth_order", "separation_strength", "separation_end"):
        if getattr(args, name) is not None:
            setattr(pipe, name, getattr(args, name))
    if args.upscale is not None:
        firsts = [layouts[0] for layouts in given.values() if layouts]
        check_second_pass(pipe, firsts, args.upscale, **_second_pass(args))
    regions = (region for layouts in given.values() for found in layouts.values() for region in found)
    if adapters.ip_adapter and not any(region.image for region in regions):
        say("No region has a picture: the IP-Adapter takes no part.", sys.stderr)
    options = _options(args)
    shrunk = 1 if args.layout else shrinking(pipe)
    kept = None if args.no_metadata else adapters.files
    with Interrupts() as interrupts:
        if args.optimize:
            options["optimize_weights"] = interrupts.optimizer(args.optimize)
        for job, files in targets.items():
            output = _drawn(pipe, job, given[job], options, args)
            if args.num_frames:
                outputs = video_outputs(output, files, args.seed or 0)
            else:
                outputs = picture_outputs(output, range(args.num_images), files, shrunk, kept)
            write_outputs(outputs, say)
            say(output.layouts[0])
            interrupts.end_of_job()


def _drawn(pipe, job: Job, layouts: dict, options: dict, args: Namespace):
    """What the pipeline draws of a prompt, under layouts that are given, and after a second pass if there is one."""
    from ..adapters import with_pictures
    from ..layout.regions import Layout
    from ..upscaling import upscale

    if not args.layout and (args.background or args.key_frame):
        layouts = {0: predicted_layout(pipe, job, args), **layouts}
    with with_pictures(pipe, layouts.get(0, Layout())):
        output = pipe(job.prompt, layout=of_frames(layouts, args), generator=_generators(args), **options)
        if args.upscale is not None:
            weights = output.weights
            output = upscale(pipe, output, args.upscale, generator=_generators(args), **_second_pass(args))
            output.weights = weights  # what is saved is of the first pass
    return output


def _options(args: Namespace) -> dict:
    """The arguments that the pipeline is called with for every prompt."""
    predicts = not (args.background or args.key_frame)  # else the layout is predicted before, and given
    return _given(
        {
            "num_inference_steps": args.steps,
            "guidance_scale": args.guidance_scale,
            "negative_prompt": args.negative_prompt,
            "true_cfg_scale": args.true_cfg_scale,
            "width": args.width,
            "height": args.height,
            "num_frames": args.num_frames,
            "num_images_per_prompt": None if args.num_frames else args.num_images,
            "blend": args.blend,
            "weights": args.weights,
            "adapter_layers": args.adapter_layers,
            "objects": args.objects if predicts else None,
        }
    )


def _second_pass(args: Namespace) -> dict:
    """What is said of it beside its factor."""
    return _given({"strength": args.upscale_strength, "stride": args.upscale_stride})


def _given(options: dict) -> dict:
    return {name: value for name, value in options.items() if value is not None}


def _generators(args: Namespace) -> list:
    """On the CPU, so that a seed gives the same picture on every device."""
    import torch

    return [torch.Generator("cpu").manual_seed((args.seed or 0) + i) for i in range(args.num_images)]


def _generate_again(args: Namespace) -> None:
    """Makes a picture again, or another one like it."""
    from ..pictures import changes_since, check_again, draw_again, read_picture

    check_like(args)
    making = read_picture(args.like)
    check_again(making, args.seed, args.weights)
    if args.dtype is None and making.dtype not in DTYPES:
        raise ValueError(f"The picture was made in {making.dtype!r}: add --dtype with one of {', '.join(DTYPES)}.")
    [files] = checked_targets(picture_targets, [Job(making.prompt)], args).values()
    args.model, args.dtype = args.model or model_of(making), args.dtype or making.dtype
    adapters = asked_adapters(args).for_picture(making)
    pipe = load_pipeline(args, usable_device(args.device or making.device), adapters)
    for change in changes_since(making):
        say(f"{change}: the picture may differ in single bits", sys.stderr)
    output = draw_again(pipe, making, args.seed, args.weights)
    number = making.number - 1 if args.seed is None else 0
    kept = None if args.no_metadata else adapters.files
    write_outputs(picture_outputs(output, [number], files, 1, kept), say)
    say(output.layouts[number])
