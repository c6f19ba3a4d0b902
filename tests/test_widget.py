"""The widget for notebooks, without a browser: layouts go in, what the canvas tells comes back, layouts come out."""

import numpy as np
import pytest
from PIL import Image

from spacetime_attn import Layout, Region
from spacetime_attn.editor.widget import LayoutWidget


BOX = Region("a red apple", box=(0.1, 0.4, 0.4, 0.7), strength=1.5)
DISC = Region("a blue car", disc=(0.7, 0.5, 0.2))
POLYGON = Region("a tent", polygon=[(0.1, 1.0), (0.2, 0.7), (0.3, 1.0)])
MASK = Region("the sea", mask=np.pad(np.ones((4, 8)), ((12, 0), (4, 4))))
LAYOUT = Layout((BOX, DISC, POLYGON, MASK), prompt="a red apple, a blue car, a tent and the sea")


@pytest.fixture
def widget() -> LayoutWidget:
    return LayoutWidget(LAYOUT)


def tell(widget: LayoutWidget, event: str, **told) -> None:
    """As the canvas does."""
    widget._handle_custom_msg({"event": event, **told}, [])


def drawn(widget: LayoutWidget) -> dict:
    """What the canvas is sent."""
    return widget.get_state()["_drawn"]


def test_regions_of_any_shape_are_shown_by_their_bounds(widget):
    assert [region["kind"] for region in drawn(widget)["regions"]] == ["box", "disc", "polygon", "mask"]
    assert drawn(widget)["regions"][1]["bounds"] == pytest.approx([0.5, 0.3, 0.9, 0.7])
    assert drawn(widget)["regions"][3]["bounds"] == pytest.approx([0.25, 0.75, 0.75, 1.0])


def test_the_layout_follows_what_is_dragged_and_nothing_else_changes(widget):
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "value")
    tell(widget, "moved", index=0, bounds=[0.5, 0.1, 0.8, 0.4], resized=False)
    assert widget.value.regions == (BOX.reshaped(box=(0.5, 0.1, 0.8, 0.4)), DISC, POLYGON, MASK)
    assert widget.value.prompt == LAYOUT.prompt and seen == [widget.value]
    tell(widget, "moved", index=1, bounds=[0.4, 0.3, 0.8, 0.7], resized=False)
    assert widget.value[1].disc == pytest.approx((0.6, 0.5, 0.2))
    assert drawn(widget)["selected"] == 1 and LAYOUT.regions[1] is DISC


def test_regions_are_chosen_drawn_and_deleted(widget):
    tell(widget, "picked", index=2)
    assert drawn(widget)["selected"] == 2 and widget.value is LAYOUT
    tell(widget, "added", bounds=[0.2, 0.2, 0.4, 0.4])
    assert widget.value[4].box == (0.2, 0.2, 0.4, 0.4) and len(drawn(widget)["regions"]) == 5
    tell(widget, "removed", index=0)
    assert widget.value.phrases == [*LAYOUT.phrases[1:], "something"] and len(drawn(widget)["regions"]) == 4


def test_a_layout_that_is_assigned_is_shown_and_edited_from_there(widget):
    widget.value = {"objects": [{"phrase": "a dog", "box": [0.0, 0.0, 0.5, 0.5]}]}
    assert isinstance(widget.value, Layout) and [one["phrase"] for one in drawn(widget)["regions"]] == ["a dog"]
    tell(widget, "moved", index=0, bounds=[0.5, 0.5, 1.0, 1.0], resized=False)
    assert widget.value[0] == Region("a dog", box=(0.5, 0.5, 1.0, 1.0))
    with pytest.raises(TypeError, match="has to be a Layout"):
        widget.value = 3
    assert widget.value.phrases == ["a dog"]


def test_what_the_canvas_cannot_mean_changes_nothing(widget):
    for told in ({"index": 9, "bounds": [0, 0, 1, 1]}, {"index": 0, "bounds": [0.5, 0, 0.1, 1]}):
        with pytest.raises(ValueError):
            widget._edited(widget, {"event": "moved", "resized": False, **told}, [])
    assert widget.value is LAYOUT and len(drawn(widget)["regions"]) == 4


def test_the_frame_has_the_shape_of_the_picture_that_lies_under():
    widget = LayoutWidget(LAYOUT, aspect=2.0, layout={"width": "300px"})
    assert widget.aspect == 2.0 and widget.get_state()["_backdrop"] is None and widget.layout.width == "300px"
    widget.picture = Image.new("RGB", (96, 64))
    assert widget.aspect == 1.5 and widget.get_state()["_backdrop"].startswith("data:image/png;base64,")
    widget.picture = None
    assert widget.get_state()["_backdrop"] is None
