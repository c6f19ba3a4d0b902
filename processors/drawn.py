"""What a pipeline draws of the picture that it was asked for: a part of it, or another size."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .calls import arguments_of_call
from .replaced import replaced_method


@contextmanager
def drawn_part(pipe) -> Iterator[Callable[[], tuple[float, ...] | None]]:
    """
    Watches what an inpainting pipeline draws: with `padding_mask_crop` it is the mask and what lies around it.

    Yields:
        A function that tells it of the run under way: the part `(x0, y0, x1, y1)`, in units of the picture's sides and
        perhaps beyond them, or `None` for the whole picture.
    """
    processor, part = getattr(pipe, "mask_processor", None), None
    if processor is None:
        yield lambda: None
        return
    preprocess = processor.preprocess

    def watched(mask, height=None, width=None, resize_mode="default", crops_coords=None):
        nonlocal part
        part = None if crops_coords is None else filled_part(crops_coords, mask.size, width / height)
        return preprocess(mask, height, width, resize_mode, crops_coords)

    with replaced_method(processor, "preprocess", watched):
        yield lambda: part


def filled_part(crop: tuple[int, ...], size: tuple[int, int], ratio: float) -> tuple[float, ...]:
    """
    A crop of a picture, both in pixels, with what diffusers fills up beside it to get that ratio of width to height:
    its `VaeImageProcessor._resize_and_fill`.
    """
    x0, y0, x1, y1 = crop
    width, height = max(x1 - x0, (y1 - y0) * ratio), max(y1 - y0, (x1 - x0) / ratio)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    sides = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return tuple(side / length for side, length in zip(sides, size * 2))


@contextmanager
def drawn_bin(pipe) -> Iterator[Callable[[], tuple[float, ...] | None]]:
    """
    Watches which size a pipeline with `use_resolution_binning` takes, of those that its model was trained for.

    Yields:
        A function that tells it of the run under way: that size as a part `(x0, y0, x1, y1)` of the picture that was
        asked for, in units of its sides and mostly beyond them, or `None` where they are as wide for their heights, or
        where latents are asked for, of which nothing is cut out.
    """
    processor, noted, part = getattr(pipe, "image_processor", None), None, None
    if not hasattr(processor, "classify_height_width_bin"):
        yield lambda: None
        return
    classify, check = processor.classify_height_width_bin, pipe.check_inputs

    def watched(height: int, width: int, ratios: dict) -> tuple[int, int]:
        nonlocal noted
        size = classify(height, width, ratios=ratios)
        noted = bin_part(size, (height, width))
        return size

    def begun(*args, **kwargs):  # every run checks its inputs, right after it has taken a bin or none
        nonlocal noted, part
        part, noted = noted, None
        return check(*args, **kwargs)

    with (
        replaced_method(processor, "classify_height_width_bin", watched),
        replaced_method(pipe, "check_inputs", begun),
    ):
        yield lambda: None if arguments_of_call(pipe).get("output_type") == "latent" else part


def bin_part(size: tuple[int, int], asked: tuple[int, int]) -> tuple[float, ...] | None:
    """
    A picture of one size (height, width) as a part of that which was asked for, which diffusers'
    `PixArtImageProcessor.resize_and_crop_tensor` cuts out of its middle.
    """
    scale = max(wanted / side for wanted, side in zip(asked, size))
    (top, bottom), (left, right) = (
        ((wanted - scale * side) / 2 / wanted, (wanted + scale * side) / 2 / wanted)
        for wanted, side in zip(asked, size)
    )
    part = left, top, right, bottom
    return None if part == (0, 0, 1, 1) else part
