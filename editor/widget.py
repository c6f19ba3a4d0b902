"""A layout in a notebook, to be seen and dragged: `LayoutWidget`."""

import os
from pathlib import Path

import traitlets
from PIL import Image

from ..layout.regions import Layout
from .canvas import CANVAS_CSS, CANVAS_HTML, CANVAS_JS, backdrop_of, canvas_value
from .scene import Scene


try:
    import anywidget
except ImportError as error:
    raise ImportError('The widget needs anywidget: pip install "spacetime_attn[notebook]".') from error


_EDITS = {"moved": Scene.moved, "added": Scene.with_new, "removed": Scene.without, "picked": Scene.picked}


def _filled(name: str, **parts: str) -> str:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    for key, part in parts.items():
        text = text.replace(key, part)
    return text


class LayoutWidget(anywidget.AnyWidget):
    """
    The canvas of the page in a notebook. Its `value` is the layout as it stands: it follows what is dragged, resized,
    drawn or deleted, and another one that is assigned is shown. `observe` tells of every change.

    Args:
        value ([`Layout`], `dict` or path): What is shown at first.
        picture (`PIL.Image`, *optional*): Lies under the regions, and the frame has its shape. May be assigned.
        aspect (`float`): Without a picture, the frame's width / height.
        options: Of ipywidgets, such as `layout`, which is the widget's own size on the screen.

    Raises:
        ValueError, TypeError: The value is no layout.
    """

    _esm = _filled("widget.js", CANVAS_HTML=CANVAS_HTML, CANVAS_JS=CANVAS_JS)
    _css = _filled("widget.css", CANVAS_CSS=CANVAS_CSS)

    value = traitlets.Any()
    picture = traitlets.Instance(Image.Image, allow_none=True)
    aspect = traitlets.Float(1.0).tag(sync=True)
    _drawn = traitlets.Dict().tag(sync=True)
    _backdrop = traitlets.Unicode(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        value: Layout | dict | str | os.PathLike,
        picture: Image.Image | None = None,
        aspect: float = 1.0,
        **options,
    ):
        self._scene = Scene()
        super().__init__(value=value, picture=picture, aspect=aspect, **options)
        self.on_msg(self._edited)

    @traitlets.validate("value")
    def _as_layout(self, proposal) -> Layout:
        return Layout.coerce(proposal["value"])

    @traitlets.observe("value")
    def _show(self, change) -> None:
        if change["new"] is not self._scene.layout:
            self._scene = Scene(layout=change["new"])
        self._drawn = canvas_value(self._scene)

    @traitlets.observe("picture")
    def _lay_under(self, change) -> None:
        picture = change["new"]
        self._backdrop = picture and backdrop_of(picture)
        if picture:
            self.aspect = picture.width / picture.height

    def _edited(self, widget, told: dict, buffers: list) -> None:
        """What the canvas tells: the name of an event, and what belongs to it."""
        edit = _EDITS[told["event"]]
        self._scene = edit(self._scene, **{name: value for name, value in told.items() if name != "event"})
        self.value = self._scene.layout
        self._drawn = canvas_value(self._scene)
