"""
The picture's frame with the regions in it, to be seen and dragged, on the page and in notebooks: `canvas_value`.

`CANVAS_JS` runs around an `element` that holds `CANVAS_HTML`. It draws what `props` hold: `canvas_value` as `value`,
in a frame of some width / height (`aspect`), over a picture (`picture`, a data URL), or the picture alone (`shown` is
false). It tells what is done through `trigger`: `moved` (with `index`, `bounds` and `resized`), `added` (`bounds`),
`removed` and `picked` (`index`). Bounds are `[x0, y0, x1, y1]` in shares of the picture.
"""

import base64
import io
from pathlib import Path

from PIL import Image

from ..layout.draw import region_colour
from ..layout.regions import Region
from .scene import Scene, bounds_of


CANVAS_HTML = '<div class="stage"></div>'
CANVAS_CSS, CANVAS_JS = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("canvas.css", "canvas.js")
)
_MASK_SIDE = 128  # pixels of masks, as they are shown
_BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue
_LIGHT = 110  # of 255: on brighter colours black is read more easily
_BACKDROP_SIDE = 768  # pixels, at most


def canvas_value(scene: Scene) -> dict:
    """The regions of a scene, as they are drawn."""
    depths = {index: depth for depth, index in enumerate(scene.layout.back_to_front())}
    regions = [_region(region, index, depths[index]) for index, region in enumerate(scene.layout)]
    return {"selected": -1 if scene.selected is None else scene.selected, "regions": regions}


def _region(region: Region, index: int, depth: int) -> dict:
    colour = region_colour(index)
    brightness = sum(share * channel for share, channel in zip(_BRIGHTNESS, colour))
    return {
        "phrase": region.phrase,
        "kind": region.kind,
        "colour": "#{:02x}{:02x}{:02x}".format(*colour),
        "ink": "black" if brightness > _LIGHT else "white",
        "bounds": list(bounds_of(region)),
        "depth": depth,
        "clip": region.polygon and f"polygon({', '.join(f'{x:.2%} {y:.2%}' for x, y in region.polygon)})",
        "mask": None if region.mask is None else _mask_url(region),
    }


def _mask_url(region: Region) -> str:
    mask = region.rasterize(_MASK_SIDE, _MASK_SIDE)
    return data_url(Image.fromarray((mask * 255).round().astype("uint8")), "PNG")


def backdrop_of(image: Image.Image) -> str:
    """A picture to lie under the regions."""
    small = image.convert("RGB")
    small.thumbnail((_BACKDROP_SIDE, _BACKDROP_SIDE))
    return data_url(small, "PNG" if max(small.size) <= _MASK_SIDE else "JPEG")


def data_url(image: Image.Image, kind: str) -> str:
    """A picture as text."""
    data = io.BytesIO()
    image.save(data, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"
