"""Weights over time as a curve that can be dragged: `curve`."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr


_FILES = Path(__file__).parent


def curve(points: Sequence[float]) -> gr.HTML:
    """The component: weights at equal distances of time, up to `top`. Its event is `shaped` (with `points`)."""
    return gr.HTML(
        list(points),
        top=top_of(points),
        elem_id="curve",
        html_template='<svg viewBox="0 0 300 90" role="group" aria-label="weights over time"></svg>',
        css_template=(_FILES / "curve.css").read_text(encoding="utf-8"),
        js_on_load=(_FILES / "curve.js").read_text(encoding="utf-8"),
    )


def top_of(points: Sequence[float]) -> float:
    """The highest weight that the curve has room for."""
    return max(1.5 * max(points, default=0), 1.0)
