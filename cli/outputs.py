"""What is written of what was made: pictures, videos, drawings of layouts, weights, and a note on each picture."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..layout.files import write_whole
from .targets import Targets
from .writing import Output, write_picture


def picture_outputs(
    output, numbers: Sequence[int], targets: Targets, shrunk: float, adapter_files: dict | None
) -> list[Output]:
    """
    The files of some of a call's pictures, what an optimisation has found first. For `shrunk` see `shrinking`. They
    carry what they were made from, these files too, but not where that is None.
    """
    from ..pictures import making_of

    def of_each(values) -> list:
        return [None if values is None else values[number] for number in numbers]

    images, layouts, history = of_each(output.images), of_each(output.layouts), of_each(output.loss_history)
    makings = [making_of(output, number, adapter_files) for number in numbers]
    notes = [_note(making.own_seed, distances) for making, distances in zip(makings, history)]
    kept = [None if adapter_files is None else making for making in makings]
    weights = zip(targets["--save-weights"], of_each(output.weights), layouts, of_each(output.latents))
    pictures = zip(targets["--output"], notes, images, kept)
    shown = zip(targets["--show-layout"], images, layouts)
    return [
        *(Output(path, partial(_save_weights, output.blend, *found)) for path, *found in weights),
        *(Output(path, layouts[0].save) for path in targets["--save-layout"]),
        *(Output(path, partial(write_picture, *picture), note) for path, note, *picture in pictures),
        *(Output(path, partial(_save_shown, *picture, shrunk)) for path, *picture in shown),
    ]


def video_outputs(output, targets: Targets, seed: int) -> list[Output]:
    """The files of a video, and of the layout of its first frame."""
    from ..videos import as_gif

    [video] = targets["--output"]
    return [
        *(Output(path, output.layouts[0].save) for path in targets["--save-layout"]),
        Output(video, lambda path: write_whole(path, as_gif(output.images)), _note(seed, None)),
    ]


def save_drawing(layout, shrunk: float, height: int, width: int, path: Path) -> None:
    """The layout on a canvas of the picture's proportions, large enough to read; what acts is dashed."""
    from ..layout.draw import draw_layout

    factor = max(1.0, 512 / max(height, width))
    size = {"width": round(factor * width), "height": round(factor * height)}
    write_picture(draw_layout(layout.with_scaled_boxes(1 / shrunk), acting=layout, **size), None, path)


def shrinking(pipe) -> float:
    """The factor by which the checkpoint makes predicted boxes smaller, 1 where it does not."""
    return min(pipe.defaults.box_scale, 1) if pipe.defaults.region_shape == "box" else 1


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
    from ..processors.weight_files import save_weights

    save_weights(path, weights, blend, layout.phrases, latents)


def _save_shown(image, layout, shrunk: float, path: Path) -> None:
    """The picture beside itself with its regions drawn on it, large enough to read; what acts is dashed."""
    from ..layout.draw import draw_layout, side_by_side

    factor = max(1, 512 // image.height)
    image = image.resize((factor * image.width, factor * image.height))
    drawing = draw_layout(layout.with_scaled_boxes(1 / shrunk), image, acting=layout)
    write_picture(side_by_side(image, drawing), None, path)  # which is not what was made
