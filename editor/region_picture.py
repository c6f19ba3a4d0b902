"""The picture of a region, as visitors choose it: `RegionPicture`."""

import gradio as gr
from PIL import Image, ImageOps, UnidentifiedImageError

from ..layout.shapes import MOST_PIXELS
from .mask_editor import WithoutStub


_FORMATS = ("PNG", "JPEG", "WEBP")
_SIDE = 1024  # pixels, at least, that a JPEG is decoded at


class RegionPicture(gr.Image, metaclass=WithoutStub):
    """gradio's, which leaves it to `opened_picture` to open what was uploaded."""

    is_template = True  # the browser has no other part for it

    def preprocess(self, payload) -> str | None:
        """The file's path."""
        return payload and payload.path


def opened_picture(path: str) -> Image.Image:
    """
    Raises:
        ValueError: It is of another format, broken, or too large.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"it has {image.width} x {image.height} pixels; make it smaller")
            image.draft("RGB", (_SIDE, _SIDE))
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError:
        raise ValueError(f"The picture cannot be opened: it is none of {', '.join(_FORMATS)}.") from None
    except Exception as error:  # Pillow has many kinds for broken files
        raise ValueError(f"The picture cannot be opened: {error}.") from None
