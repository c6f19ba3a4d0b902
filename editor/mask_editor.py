"""What masks are drawn on: `MaskEditor`."""

from abc import ABCMeta
from io import BytesIO
from threading import Lock

import gradio as gr
from fastapi import HTTPException
from gradio.component_meta import ComponentMeta
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs, EditorDataBlobs
from PIL import Image


_MOST_PIXELS = 2**24  # of all that the browser sends of one drawing
_MOST_BYTES = 2**22  # of one of its files: the editor has some 384 pixels a side
_MOST_LAYERS = 8
_MOST_WAITING_BYTES = 2**25  # of all drawings that no event has taken yet
_MOST_WAITING = 256
_LONGEST_ID = 64


class WithoutStub(ComponentMeta):
    """gradio's own metaclass writes a .pyi file beside the source."""

    __new__ = ABCMeta.__new__


class Drawings:
    """What browsers have sent of drawings. Where it becomes too much, the oldest drawings are forgotten."""

    def __init__(self):
        self._lock = Lock()
        self._waiting: dict[str, EditorDataBlobs] = {}

    def add(self, name: str, kind: str, layer: int | None, content: bytes) -> None:
        """
        Args:
            name (`str`): Of the drawing.
            kind (`str`): `"background"`, `"composite"` or `"layer"`, of which `layer` is the number.

        Raises:
            ValueError: It is something else, or too large.
        """
        if len(content) > _MOST_BYTES or len(name) > _LONGEST_ID:
            raise ValueError("The drawing is too large: draw a smaller mask.")
        if kind not in ("background", "composite") and not (kind == "layer" and layer in range(_MOST_LAYERS)):
            raise ValueError(f"A drawing has a background, a composite and {_MOST_LAYERS} layers.")
        with self._lock:
            drawing = self._waiting.setdefault(name, EditorDataBlobs(background=None, layers=[], composite=None))
            if kind == "layer":
                drawing.layers += [None] * (layer + 1 - len(drawing.layers))
                drawing.layers[layer] = content
            else:
                setattr(drawing, kind, content)
            while len(self._waiting) > _MOST_WAITING or self.size > _MOST_WAITING_BYTES:
                del self._waiting[next(iter(self._waiting))]

    def take(self, name: str) -> EditorDataBlobs | None:
        """A drawing, which is forgotten."""
        with self._lock:
            return self._waiting.pop(name, None)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(len(file) for drawing in self._waiting.values() for file in _files_of(drawing))


_drawings = Drawings()  # of all visitors, for gradio makes an editor for each


class MaskEditor(gr.ImageEditor, metaclass=WithoutStub):
    """gradio's, which does not keep or decode more than a drawing can be."""

    is_template = True  # the browser has no other part for it

    @server
    def accept_blobs(self, data: AcceptBlobs) -> None:
        """A file of a drawing, as the browser sends it; an answer of HTTP that refuses it."""
        try:
            about, (_, content) = data.data, *data.files
            layer = None if about["index"] in ("", "null", None) else int(about["index"])
            _drawings.add(about["id"], about["type"], layer, content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise HTTPException(400, str(error)) from None

    def preprocess(self, payload):
        """Raises a `gradio.Error` before anything is decoded that is too large."""
        is_sent = payload is not None and payload.id is not None
        drawn = _drawings.take(payload.id) if is_sent else payload
        if drawn is not None and sum(map(_pixels_of, _files_of(drawn))) > _MOST_PIXELS:
            raise gr.Error("The drawing is too large: draw a smaller mask.", print_exception=False)
        if is_sent and drawn is not None:
            self.blob_storage[payload.id] = drawn  # from where gradio takes it
        return super().preprocess(payload)


def _files_of(drawing) -> list:
    """Those that there are."""
    return [file for file in (drawing.background, drawing.composite, *(drawing.layers or ())) if file is not None]


def _pixels_of(file) -> int:
    """Of a file that was uploaded, or of its bytes."""
    with Image.open(BytesIO(file) if isinstance(file, bytes) else file.path) as image:
        return image.width * image.height
