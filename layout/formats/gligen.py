"""diffusers' `StableDiffusionGLIGENPipeline` (0.42.1)."""

from ..regions import Layout
from .common import DESCRIPTIONS, PROMPT, Canvas, Exported, Format, Pictures, boxed, logger, whole_prompt


_MOST = 30  # objects


def write(layout: Layout, canvas: Canvas) -> Exported:
    """Arguments of a call: boxes [x0, y0, x1, y1] in 0..1, 30 at most."""
    regions = layout.regions[:_MOST]
    if len(layout) > _MOST:
        logger.warning("GLIGEN takes %d objects; the others are left out.", _MOST)
    phrases, boxes = [region.local_text for region in regions], [list(region.bounds) for region in regions]
    return Exported({"prompt": whole_prompt(layout), "gligen_phrases": phrases, "gligen_boxes": boxes})


def read(data: dict, pictures: Pictures) -> Layout:
    return boxed(data["prompt"], data["gligen_phrases"], data["gligen_boxes"])


FORMAT = Format(write, read, {DESCRIPTIONS, PROMPT})
