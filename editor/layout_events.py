"""What the page does about layouts: it reads prompts, and moves and changes regions: `LayoutEvents`."""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce

import gradio as gr
from PIL import ImageChops

from ..layout.draw import draw_layout
from ..layout.files import shortened
from ..layout.regions import Layout, Region
from .canvas import canvas_value
from .notices import noticed, warn
from .parts import Parts, key_frames_of, mask_size
from .reading import SLOW, Read, Reader, Wishes
from .region_picture import opened_picture
from .scene import Scene
from .settings import LARGEST_SIDE


# One after the other, so that none sees a scene that another is changing.
QUICK = {"show_progress": "hidden", "concurrency_id": "quick", "concurrency_limit": 1, "api_visibility": "private"}
_MASK_SIDE = 256  # pixels of masks, at most


class LayoutEvents:
    """Handlers give a dict of what changes on the page. Scenes come from the server, all else from visitors."""

    def __init__(self, parts: Parts, reader: Reader):
        self._parts, self._reader = parts, reader
        self.reading = [parts.prompt, parts.scene, parts.struck, parts.added, parts.width, parts.height]
        self.reading += [parts.predictor, parts.temperature, parts.layout_seed, parts.syntax]
        self._fields = [parts.phrase, parts.description, parts.region_negative, parts.strength, parts.softness]
        self._fields += [parts.start, parts.end, parts.adapters, parts.image]
        self._buttons = [parts.delete, parts.front, parts.back, parts.use_mask, parts.use_box]
        self.outputs = [parts.scene, parts.canvas, parts.read, parts.struck, parts.added, parts.objects, parts.told]
        self.outputs += [parts.question, parts.undo, parts.region, parts.addition, parts.layout_seed, parts.mask]
        self.outputs += [parts.temperature, parts.predictor, parts.prompt, *self._fields, *self._buttons]
        self.outputs += [parts.frame, parts.no_key_frame]

    def connect(self) -> None:
        """Connects the parts with the handlers."""
        parts = self._parts
        self._on(parts.prompt.input, self.typed, self.reading, trigger_mode="always_last")
        for event in (parts.prompt.submit, parts.syntax.input):
            self._on(event, self.submitted, self.reading)
        for event, answer in ((parts.place_anew.click, Scene.placed_anew), (parts.keep.click, Scene.kept)):
            self._on(event, self._answer(answer), [parts.scene])
        self._on(parts.objects.input, self.ticked, [parts.objects, parts.read, *self.reading])
        for event in (parts.add.click, parts.addition.submit):
            self._on(event, self.named, [parts.addition, parts.read, *self.reading])
        for event in (parts.predictor.input, parts.temperature.release, parts.layout_seed.input):
            self._on(event, self.placed_otherwise, self.reading, trigger_mode="always_last")
        self._on(parts.other_layout.click, self.another, self.reading)
        for size in (parts.width, parts.height):
            self._on(size.input, self.sized, self.reading, trigger_mode="always_last")

        self._on(parts.canvas.moved, self.moved, [parts.scene])
        self._on(parts.canvas.picked, self.picked, [parts.scene])
        self._on(parts.canvas.added, self.drawn_new, [parts.scene])
        self._on(parts.canvas.removed, self.removed, [parts.scene])
        self._on(parts.new.click, lambda scene: self.view(scene.with_new()), [parts.scene])
        self._on(parts.delete.click, lambda scene: self.view(scene.without(scene.selected)), [parts.scene])
        self._on(parts.front.click, lambda scene: self.view(scene.in_depth(front=True)), [parts.scene])
        self._on(parts.back.click, lambda scene: self.view(scene.in_depth(front=False)), [parts.scene])
        self._on(parts.undo.click, self.undone, [parts.frames, *self.reading])
        self._on(parts.frame.input, self.gone_to, [parts.frame, parts.scene], trigger_mode="always_last")
        self._on(parts.frames.input, self.cut_off, [parts.frames, parts.scene], trigger_mode="always_last")
        self._on(parts.no_key_frame.click, lambda scene: self.view(scene.without_key_frame()), [parts.scene])

        for field, name in ((parts.description, "description"), (parts.region_negative, "negative_prompt")):
            self._on(field.input, self._change(name, lambda text: text.strip() and text or None), [field, parts.scene])
        for event in (parts.adapters.submit, parts.adapters.blur):
            self._on(event, self.adapted, [parts.adapters, parts.scene])
        self._on(parts.image.upload, self.pictured, [parts.image, parts.scene])
        self._on(parts.image.clear, self._change("image", lambda nothing: None), [parts.image, parts.scene])
        self._on(parts.phrase.input, self.renamed, [parts.phrase, parts.scene])
        for name in ("strength", "softness", "start", "end"):
            field = getattr(parts, name)
            self._on(field.release, self._change(name, float), [field, parts.scene])
        self._on(parts.masking.expand, self.paper, [parts.scene, parts.width, parts.height])
        self._on(parts.use_mask.click, self.masked, [parts.mask, parts.scene])
        self._on(parts.use_box.click, self.unmasked, [parts.scene])

    def _on(self, event: Callable, handler: Callable, inputs: list, trigger_mode: str = "multiple") -> None:
        event(noticed(handler), inputs, self.outputs, trigger_mode=trigger_mode, **QUICK)

    def view(self, scene: Scene, read: Read | None = None, but_fields: bool = False) -> dict:
        """What the page shows of a scene, and of what was read; fields that are being typed in are left alone."""
        parts, region = self._parts, scene.region
        shown = {
            parts.scene: scene,
            parts.canvas: canvas_value(scene),
            parts.undo: gr.Button(interactive=bool(scene.past)),
            parts.question: gr.Group(visible=scene.offered is not None),
            parts.region: gr.Accordion(label=f"Region: {region.phrase if region else 'click on one'}"),
            parts.frame: gr.Slider(value=scene.frame, info=key_frames_of(scene)),
            parts.no_key_frame: gr.Button(interactive=scene.is_at_one_of_many),
        }
        if not but_fields:
            shown |= {button: gr.Button(interactive=region is not None) for button in self._buttons}
            shown |= self._field_values(region)
        if read is not None:
            lines = "".join(f"<li>{html.escape(line)}</li>" for line in read.told)
            shown |= {
                parts.read: read,
                parts.objects: gr.CheckboxGroup(choices=list(read.names), value=list(read.placed)),
                parts.told: f"<ul>{lines}</ul>" if lines else "",
            }
        return shown

    def _field_values(self, region) -> dict:
        parts, there = self._parts, region is not None
        texts = {
            parts.phrase: region.phrase if there else "",
            parts.description: (there and region.description) or "",
            parts.region_negative: (there and region.negative_prompt) or "",
            parts.adapters: text_of_adapters((there and region.adapters) or {}),
        }
        numbers = {
            parts.strength: region.strength if there else 1,
            parts.softness: region.softness if there else 0,
            parts.start: region.start if there else 0,
            parts.end: region.end if there else 1,
        }
        shown = {field: gr.Textbox(value=text, interactive=there) for field, text in texts.items()}
        for field, number in numbers.items():
            is_for_it = there and (field is not parts.softness or region.box is not None)
            shown[field] = gr.Slider(value=number, interactive=is_for_it)
        return shown | {parts.image: self._picture_field(region)}

    def _picture_field(self, region: Region | None) -> dict:
        """Also where no IP-Adapter is loaded, if a region has a picture, for it may be taken away."""
        image = region and region.image
        visible = self._parts.abilities.pictures or image is not None
        return gr.update(value=image, interactive=region is not None, visible=visible)

    # Prompts

    def read(self, prompt, scene, struck, added, width, height, predictor, temperature, seed, syntax) -> Read:
        """Reads and places what the fields say; words that the prompt no longer has are forgotten."""
        text = self._reader.text(prompt, syntax).lower()
        there = [tuple(word for word in words if word.lower() in text) for words in (struck, added)]
        width, height = shape_of(width, height)
        if predictor not in self._reader.predictors:
            raise ValueError("Choose one of the predictors.")
        drawn = float(temperature), int(seed or 0)
        return self._reader.read(prompt, Wishes(width, height, predictor, *drawn, *there, syntax))

    def typed(self, prompt: str, scene: Scene, *others) -> dict:
        """With each key; a language model is asked on Enter alone."""
        return gr.skip() if others[4] in SLOW else self.submitted(prompt, scene, *others)

    def submitted(self, prompt: str, scene: Scene, *others) -> dict:
        read = self.read(prompt, scene, *others)
        after = scene.read(prompt, read.layout)
        return self.view(after, read, but_fields=scene.edited and scene.region == after.region)

    def _answer(self, answer: Callable[[Scene, Layout], Scene]) -> Callable:
        def answered(scene: Scene) -> dict:
            return self.view(scene if scene.offered is None else answer(scene, scene.offered))

        return answered

    def ticked(self, chosen: list[str], read: Read, prompt: str, scene: Scene, struck, added, *others) -> dict:
        struck = tuple(name for name in read.names if name not in chosen)
        read = self.read(prompt, scene, struck, added, *others)
        return self._corrected(scene, read) | {self._parts.struck: struck}

    def named(self, words: str, read: Read, prompt: str, scene: Scene, struck, added, *settings) -> dict:
        words = words.strip()
        if not words:
            raise ValueError("Type some words of the prompt first.")
        struck, added = tuple(name for name in struck if name != words), (*added, words)
        text = self._reader.text(prompt, settings[-1])
        if words.lower() not in text.lower():
            raise ValueError(f"“{words}” does not stand in the prompt.")
        others = [name for name in read.placed if name != words]
        all_within = 0 < _times(words, text) <= sum(_times(words, name) for name in others)
        for name in others:
            if all_within and _times(words, name) or 0 < _times(name, text) <= _times(name, words):
                raise ValueError(f"“{words}” and “{name}” share words of the prompt: untick “{name}” first.")
        parts, read = self._parts, self.read(prompt, scene, struck, added, *settings)
        return self._corrected(scene, read) | {parts.struck: struck, parts.added: added, parts.addition: ""}

    def _corrected(self, scene: Scene, read: Read) -> dict:
        scene = scene.kept(read.layout) if scene.edited else scene.read(scene.prompt, read.layout)
        return self.view(scene, read)

    def placed_otherwise(self, prompt: str, scene: Scene, *others) -> dict:
        read = self.read(prompt, scene, *others)
        if read.layout == scene.predicted:
            return self.view(scene, read)
        if scene.edited:
            warn("Your boxes have made way for another layout: Undo brings them back.")
        return self.view(replace(scene, prompt=prompt).placed_anew(read.layout), read)

    def another(self, prompt, scene, struck, added, width, height, predictor, temperature, seed, syntax) -> dict:
        predictor, temperature, seed = "transformer", float(temperature) or 1.0, int(seed or 0) + 1
        drawn = predictor, temperature, seed
        shown = self.placed_otherwise(prompt, scene, struck, added, width, height, *drawn, syntax)
        parts = self._parts
        return shown | {parts.predictor: predictor, parts.temperature: temperature, parts.layout_seed: seed}

    def sized(self, prompt: str, scene: Scene, *others) -> dict:
        width, height = shape_of(*others[2:4])
        shown = self.submitted(prompt, scene, *others)
        return shown | self.framed(shown[self._parts.canvas], width, height)

    def framed(self, value: dict, width: int, height: int) -> dict:
        """What shows regions, and what masks are drawn on, in the picture's shape."""
        return {
            self._parts.canvas: gr.HTML(value=value, aspect=width / height),
            self._parts.mask: gr.ImageEditor(value=None, canvas_size=mask_size(width, height)),
        }

    # Regions

    def undone(self, frames: float, prompt: str, scene: Scene, struck, added, *others) -> dict:
        before = _within(scene.undone(), frames)
        if before.corrections is None:
            return self.view(before)
        struck, added = before.corrections
        prompt, before = before.prompt, replace(before, corrections=None)
        parts, read = self._parts, self.read(prompt, before, struck, added, *others)
        return self.view(before, read) | {parts.prompt: prompt, parts.struck: struck, parts.added: added}

    def moved(self, scene: Scene, event: gr.EventData) -> dict:
        return self.view(scene.moved(event.index, event.bounds, bool(event.resized)))

    def picked(self, scene: Scene, event: gr.EventData) -> dict:
        return self.view(scene.picked(event.index))

    def drawn_new(self, scene: Scene, event: gr.EventData) -> dict:
        return self.view(scene.with_new(event.bounds))

    def removed(self, scene: Scene, event: gr.EventData) -> dict:
        return self.view(scene.without(event.index))

    def gone_to(self, frame: float, scene: Scene) -> dict:
        shown = self.view(scene.at(int(frame)))
        del shown[self._parts.frame]  # which is being dragged
        return shown

    def cut_off(self, frames: float, scene: Scene) -> dict:
        """The number of frames is another."""
        scene = _within(scene, frames)
        return self.view(scene) | {self._parts.frame: gr.Slider(value=scene.frame, maximum=int(frames) - 1)}

    def renamed(self, text: str, scene: Scene) -> dict:
        return self.view(scene.changed(phrase=text), but_fields=True) if text.strip() else gr.skip()

    def _change(self, name: str, coerced: Callable) -> Callable:
        def changed(value, scene: Scene) -> dict:
            try:
                return self.view(scene.changed(**{name: coerced(value)}), but_fields=True)
            except (ValueError, TypeError) as error:
                warn(str(error))
                return self._field_values(scene.region)

        return changed

    def adapted(self, text: str, scene: Scene) -> dict:
        if scene.region and text == text_of_adapters(scene.region.adapters or {}):
            return gr.skip()
        return self.view(scene.changed(adapters=adapters_in(text)), but_fields=True)

    def pictured(self, path: str, scene: Scene) -> dict:
        try:
            return self.view(scene.changed(image=opened_picture(path)), but_fields=True)
        except ValueError as error:
            warn(str(error))
            return {self._parts.image: self._picture_field(scene.region)}

    def masked(self, drawing: dict | None, scene: Scene) -> dict:
        layers = [layer.getchannel("A") for layer in (drawing or {}).get("layers", ())]
        if not any(layer.getbbox() for layer in layers):
            raise ValueError("Choose the brush and draw where the object is to be first.")
        opacity = reduce(ImageChops.lighter, layers)
        opacity.thumbnail((_MASK_SIDE, _MASK_SIDE))
        return self.view(scene.changed(mask=opacity))

    def unmasked(self, scene: Scene) -> dict:
        region = scene.region
        return self.view(scene.changed(box=region.bounds) if region and region.box is None else scene)

    def paper(self, scene: Scene, width, height) -> dict:
        """The regions, to draw a mask on."""
        width, height = mask_size(*shape_of(width, height))
        drawing = draw_layout(scene.layout, width=width, height=height)
        return {self._parts.mask: {"background": drawing, "layers": [], "composite": None}}


def _within(scene: Scene, frames: float) -> Scene:
    """A scene, or where its frame is not of the video any more, the last one."""
    return scene if scene.frame < frames else scene.at(int(frames) - 1)


def _times(words: str, text: str) -> int:
    """How often they stand in it."""
    return len(re.findall(rf"\b{re.escape(words)}\b", text, re.IGNORECASE))


def shape_of(width, height) -> tuple[int, int]:
    """A size that layouts can be made for, from what stands in the fields."""
    sides = (side if isinstance(side, (int, float)) and side >= 8 else 8 for side in (width, height))
    width, height = (min(int(side) // 8 * 8, LARGEST_SIDE) for side in sides)
    return width, height


def text_of_adapters(adapters: Mapping[str, float]) -> str:
    """A region's LoRAs as its field shows them: `"anna: 0.8, other: 1"`."""
    return ", ".join(f"{name}: {strength:g}" for name, strength in adapters.items())


def adapters_in(text: str) -> dict[str, float] | None:
    """What such a text says; a LoRA without a number has 1. Raises a ValueError if it is none."""
    adapters = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, strength = map(str.strip, (part if ":" in part else f"{part}:1").rpartition(":"))
        try:
            number = float(strength)
        except ValueError:
            number = None
        if not name or number is None:
            raise ValueError(f'LoRAs are written as in "anna: 0.8, other: 1", not as {shortened(part)}.')
        adapters[name] = number
    return adapters or None
