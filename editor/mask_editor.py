"""What masks are drawn on: `MaskEditor`."""

from abc import ABCMeta
from io import BytesIO

import gradio as gr
from gradio.component_meta import ComponentMeta
from PIL import Image


_MOST_PIXELS = 2**24  # of all that the browser sends of one drawing


class WithoutStub(ComponentMeta):
    """gradio's own metaclass writes a .pyi file beside the source."""

    __new__ = ABCMeta.__new__


class MaskEditor(gr.ImageEditor, metaclass=WithoutStub):
    """gradio's, which does not decode more than a drawing can be."""

    is_template = True  # the browser has no other part for it

    def preprocess(self, payload):
        """Raises a `gradio.Error` before anything is decoded that is too large."""
        drawn = payload
        if payload is not None and payload.id is not None:
            drawn = self.blob_storage.get(payload.id)
        if drawn is not None:
            files = filter(None, (drawn.background, drawn.composite, *(drawn.layers or ())))
            if sum(map(_pixels_of, files)) > _MOST_PIXELS:
                raise gr.Error("The drawing is too large: draw a smaller mask.", print_exception=False)
        return super().preprocess(payload)


def _pixels_of(file) -> int:
    """Of a file that was uploaded, or of its bytes."""
    with Image.open(BytesIO(file) if isinstance(file, bytes) else file.path) as image:
        return image.width * image.height
