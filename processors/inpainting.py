"""What an inpainting pipeline draws of its picture."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
