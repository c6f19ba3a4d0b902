"""What the page does about pictures: it draws, stops, shows, and opens those that remember: `DrawingEvents`."""

import inspect
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from ..layout.files import shortened
from ..pictures import Making, changes_since, public_name, read_picture
from ..processors.making import adapters_of, place_of
from .canvas import backdrop_of, canvas_value, data_url
from .curve import top_of
from .drawing import NOISE_DEVICE, CancelledError, Drawn, Finished, Progress, Run, Studio, blend_of, inner_pipe
from .layout_events import QUICK, LayoutEvents
from .notices import noticed, warn
from .parts import CHECKPOINTS, Parts, mask_size
from .scene import Scene, check_layout
from .settings import CURVE_POINTS, LARGEST_PICTURE, Settings, curve_of, default_curve, settings_of


_SLOW = {"show_progress": "hidden", "concurrency_id": "draw", "concurrency_limit": 1, "api_visibility": "private"}
_HIGHEST_SEED = 2**31
_ROUNDED = 1.1  # by how much a picture's proportions may be others than those asked for


class DrawingEvents:
    """Handlers give a dict of what changes on the page."""

    def __init__(self, parts: Parts, studio: Studio, layouts: LayoutEvents):
        self._parts, self._studio, self._layouts = parts, studio, layouts
        self._waiting: dict[str, Run] = {}  # of sessions
        self._drawing: dict[str, Run] = {}
        self._fields = [parts.width, parts.height, parts.steps, parts.guidance, parts.seed, parts.negative]
        self._fields += [parts.pictures, parts.best_of, parts.blend, parts.own_curve, parts.rows]
        self._fields += [parts.depth_order, parts.background, parts.upscale, parts.upscale_strength]
        self._fields += [parts.stride, parts.separation_strength, parts.separation_end, parts.adapter_layers]
        self._fields += [parts.compare, parts.syntax, parts.true_cfg_scale, parts.frames]
        self._results = [parts.drawn, parts.picture, parts.slider, parts.gallery, parts.note, parts.download]
        self._ends = [parts.draw, parts.cancel, parts.progress]
        self._results += [parts.canvas, parts.backdrop, *self._ends]
        self._weights = [parts.own_curve, parts.rows, parts.curve]

    def connect(self, page: gr.Blocks) -> None:
        """Connects the parts with the handlers."""
        parts, reading = self._parts, self._layouts.reading
        everything = list(dict.fromkeys([*self._layouts.outputs, *self._results, *self._fields, *self._weights]))
        begin = parts.draw.click(noticed(self.begin), [*reading, *self._fields], [*everything, parts.asked], **QUICK)
        drawing = begin.success(
            noticed(self.draw), [parts.scene, parts.asked, parts.under, parts.drawn], self._results, **_SLOW
        )
        drawing.then(self.end, None, self._ends, **QUICK)
        seen = [parts.frame, parts.drawn, parts.under]
        if parts.abilities.videos:  # the visitor may have gone to another frame meanwhile
            drawing.then(noticed(self.gone_to), seen, self._results, **QUICK)
        at_once = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        parts.cancel.click(self.cancelled, None, [parts.note, *self._ends], **at_once)
        page.unload(self.left)

        for part, handler, inputs, outputs in (
            (parts.shown.input, lambda shown: gr.HTML(shown=bool(shown)), [parts.shown], parts.canvas),
            (parts.under.input, _under, [parts.under, parts.backdrop], parts.canvas),
            (parts.frame.change, self.gone_to, seen, self._results),
            (parts.dice.click, lambda: random.randrange(_HIGHEST_SEED), None, parts.seed),
            (parts.gallery.select, self.chosen, [parts.drawn, parts.under], self._results),
            (parts.curve.shaped, self.shaped, None, self._weights),
            (parts.own_weights.click, self.as_the_checkpoint, [parts.blend, parts.guidance], self._weights),
            (parts.blend.input, self.as_the_checkpoint, [parts.blend, parts.guidance], self._weights),
            (parts.file.upload, self.opened, [parts.file, *reading], [*everything, parts.prompt, parts.file]),
        ):
            part(noticed(handler), inputs, outputs, **QUICK)

    # Drawing

    def begin(self, request: gr.Request, *values) -> Iterator[dict]:
        """Checks everything before the run waits for its turn."""
        parts, count = self._parts, len(self._layouts.reading)
        reading, fields = values[:count], values[count:]
        prompt, scene = reading[:2]
        if not prompt.strip():
            raise ValueError("Type a prompt first, for example: a red apple to the left of a blue car.")
        if self._is_busy(request):
            raise ValueError("A picture is being drawn already: wait for it, or cancel it.")
        settings = self._settings(*fields)
        shown = {parts.scene: scene} if prompt == scene.prompt else self._layouts.submitted(*reading)
        if shown[parts.scene].offered is not None:
            yield shown  # with the question
            raise ValueError(
                "The prompt names other objects than your boxes: choose below the prompt what becomes of these first."
            )
        self._waiting[request.session_hash] = Run()
        yield shown | {
            parts.asked: settings,
            parts.draw: gr.Button(interactive=False),
            parts.cancel: gr.Button(interactive=True),
            parts.progress: _bar("waiting for its turn", 0),
            parts.note: "",
        }

    def _settings(
        self,
        width,
        height,
        steps,
        guidance,
        seed,
        negative,
        pictures,
        best_of,
        blend,
        own_curve,
        rows,
        depth_order,
        background,
        upscale,
        upscale_strength,
        stride,
        separation_strength,
        separation_end,
        adapter_layers,
        compare,
        syntax,
        true_cfg_scale,
        frames,
    ) -> Settings:
        return Settings(
            width=width,
            height=height,
            steps=steps,
            guidance=guidance,
            seed=seed,
            negative_prompt=negative or "",
            pictures=pictures,
            best_of=best_of,
            blend=None if blend == CHECKPOINTS else blend,
            curve=own_curve,
            rows=rows,
            depth_order=bool(depth_order),
            background=background or "",
            upscale=upscale,
            upscale_strength=upscale_strength,
            stride=stride,
            separation_strength=separation_strength,
            separation_end=separation_end,
            adapter_layers=adapter_layers,
            compare=bool(compare),
            prompt_syntax=syntax,
            true_cfg_scale=true_cfg_scale,
            frames=frames,
        )

    def draw(
        self, request: gr.Request, scene: Scene, settings: Settings, under: bool, before: tuple[Drawn, ...]
    ) -> Iterator[dict]:
        """The progress of the visitor's run, then its pictures. Nothing if it was cancelled before its turn."""
        run = self._waiting.pop(request.session_hash, None)
        if run is None:
            return
        self._drawing[request.session_hash] = run
        parts, image = self._parts, ""
        try:
            for news in self._studio.draw(scene.prompt, scene.of_video(settings.frames), settings, run):
                if isinstance(news, Finished):
                    for text in news.warned:
                        warn(text)
                    index = _again(news.pictures, before)
                    yield self._finished(news.pictures, _opened_image(news.pictures[index].path), index, under)
                else:
                    image = _image(news) or image
                    yield {parts.progress: _bar(f"step {news.done} of {news.total}", news.done / news.total, image)}
        except CancelledError:
            yield {parts.note: "Cancelled."}
        finally:
            del self._drawing[request.session_hash]

    def end(self, request: gr.Request) -> dict:
        """Whatever the end of the run was. The turn of one that was cancelled may come while another is on its way."""
        return gr.skip() if self._is_busy(request) else self._idle()

    def stop(self, request: gr.Request) -> bool:
        """Ends the visitor's run at its next step; whether it was still waiting for its turn."""
        if run := self._drawing.get(request.session_hash):
            run.cancel()
        return self._waiting.pop(request.session_hash, None) is not None

    def left(self, request: gr.Request) -> None:
        self.stop(request)

    def cancelled(self, request: gr.Request) -> dict:
        waited = self.stop(request)
        return {self._parts.note: "Cancelled.", **self._idle()} if waited else gr.skip()

    def _is_busy(self, request: gr.Request) -> bool:
        return request.session_hash in self._waiting or request.session_hash in self._drawing

    def _idle(self) -> dict:
        parts = self._parts
        return {
            parts.draw: gr.Button(interactive=True),
            parts.cancel: gr.Button(interactive=False),
            parts.progress: "",
        }

    def _finished(self, pictures: tuple[Drawn, ...], image: Image.Image, index: int = 0, under: bool = True) -> dict:
        """One of some pictures, `image`."""
        parts, chosen, backdrop = self._parts, pictures[index], backdrop_of(image)
        files = [(str(drawn.path), f"seed {drawn.seed}") for drawn in pictures]
        pair = chosen.plain and (str(chosen.plain), str(chosen.path))
        return {
            parts.drawn: pictures,
            parts.picture: str(chosen.path),
            parts.gallery: gr.Gallery(value=files, visible=len(files) > 1),
            parts.slider: gr.ImageSlider(value=pair, visible=pair is not None),
            parts.download: gr.DownloadButton(value=str(chosen.path), interactive=True),
            parts.note: _note(chosen),
            parts.backdrop: backdrop,
            parts.canvas: gr.HTML(picture=backdrop if under else None),
        }

    def chosen(self, pictures: tuple[Drawn, ...], under: bool, event: gr.SelectData) -> dict:
        """Another one of the pictures."""
        return self._finished(pictures, _opened_image(pictures[event.index].path), event.index, under)

    def gone_to(self, frame: float, videos: tuple[Drawn, ...], under: bool) -> dict:
        """Another frame of a video."""
        if not videos:
            return gr.skip()
        backdrop = backdrop_of(_opened_image(videos[0].path, int(frame)))
        return {self._parts.backdrop: backdrop, self._parts.canvas: _under(under, backdrop)}

    # Weights

    def shaped(self, event: gr.EventData) -> dict:
        """The visitor's own curve."""
        points = tuple(float(point) for point in event.points)
        if len(points) != CURVE_POINTS or not np.isfinite(points).all():
            raise ValueError(f"Weights over time are {CURVE_POINTS} numbers.")
        parts = self._parts
        return {parts.own_curve: points, parts.rows: None, parts.curve: gr.HTML(value=list(points))}

    def as_the_checkpoint(self, blend: str, guidance: float) -> dict:
        """The checkpoint's weights for a blend."""
        parts, pipe = self._parts, self._studio.pipe
        points = default_curve(pipe.defaults, blend_of(pipe, None if blend == CHECKPOINTS else blend, guidance or 0))
        return {parts.own_curve: None, parts.rows: None, parts.curve: gr.HTML(value=list(points), top=top_of(points))}

    # Pictures that remember

    def opened(self, path: str, prompt: str, scene: Scene, struck, added, width, height, *placing) -> dict:
        """All that a picture was made from, and the picture."""
        parts, pipe = self._parts, self._studio.pipe
        making = read_picture(path)
        check_layout(making.layout)
        settings, elsewhere = settings_of(making, pipe.defaults, _usual(pipe))
        settings = replace(settings, prompt_syntax=self._own_syntax(settings.prompt_syntax))
        picture = _opened_image(path)
        placing = *placing[:-1], settings.prompt_syntax
        read = self._layouts.read(making.prompt, Scene(), (), (), settings.width, settings.height, *placing)
        scene = scene.opened(making.prompt, making.layout, read.layout, (struck, added))
        if differences := _differences(making, pipe, elsewhere, self._studio.adapter_files):
            warn(f"The same settings may draw another picture here: {'; '.join(differences)}.")
        backdrop = backdrop_of(picture) if _has_shape_of(settings, picture) else None
        if backdrop is None:
            warn(
                f"The picture has {picture.width} x {picture.height} pixels, not the shape of the {settings.width} x"
                f" {settings.height} that were drawn: it is not shown under the boxes."
            )
        pictures = (Drawn(Path(path), making.own_seed),)
        return {
            **self._layouts.view(scene, read),
            **self._finished(pictures, picture),
            **self._filled(settings),
            parts.backdrop: backdrop,
            parts.canvas: gr.HTML(
                value=canvas_value(scene), aspect=settings.width / settings.height, picture=backdrop
            ),
            parts.mask: gr.ImageEditor(value=None, canvas_size=mask_size(settings.width, settings.height)),
            parts.prompt: making.prompt,
            parts.struck: (),
            parts.added: (),
            parts.file: None,
        }

    def _own_syntax(self, wanted: str | None) -> str | None:
        """How the texts of a picture are written, as the field has it; raises a ValueError if it has not."""
        known = [name for _, name in self._parts.syntax.choices]
        if wanted not in (None, "plain", *known):
            raise ValueError(f"The picture's texts are written in {shortened(wanted)}, which the page does not read.")
        return (wanted or "plain") if known else None

    def _filled(self, settings: Settings) -> dict:
        """The fields, filled with settings."""
        parts = self._parts
        pipe = self._studio.pipe
        blend = blend_of(pipe, settings.blend, settings.guidance)
        points = default_curve(pipe.defaults, blend) if settings.rows is None else curve_of(settings.rows, blend)
        return {
            parts.width: settings.width,
            parts.height: settings.height,
            parts.steps: settings.steps,
            parts.guidance: settings.guidance,
            parts.true_cfg_scale: settings.true_cfg_scale,
            parts.seed: settings.seed,
            parts.negative: settings.negative_prompt,
            parts.pictures: settings.pictures,
            parts.best_of: settings.best_of,
            parts.blend: settings.blend or CHECKPOINTS,
            parts.depth_order: settings.depth_order,
            parts.background: settings.background,
            parts.upscale: settings.upscale,
            parts.upscale_strength: settings.upscale_strength,
            parts.syntax: settings.prompt_syntax,
            parts.stride: settings.stride,
            parts.separation_strength: settings.separation_strength,
            parts.separation_end: settings.separation_end,
            parts.adapter_layers: settings.adapter_layers,
            parts.own_curve: None,
            parts.rows: settings.rows,
            parts.curve: gr.HTML(value=list(points), top=top_of(points)),
        }


def _again(pictures: tuple[Drawn, ...], before: tuple[Drawn, ...]) -> int:
    """Which picture is shown first: the one that was shown alone before, if it is among them."""
    seeds = [drawn.seed for drawn in pictures]
    return seeds.index(before[0].seed) if len(before) == 1 and before[0].seed in seeds else 0


def _under(under: bool, backdrop: str | None) -> gr.HTML:
    return gr.HTML(picture=backdrop if under else None)


def _bar(text: str, share: float, image: str = "") -> str:
    """A bar, and what the picture looks like so far (a data URL)."""
    shown = f'<img alt="the picture so far" src="{image}">' if image else ""
    return f'<div class="bar"><div style="width: {share:.1%}"></div></div><p>{text}</p>{shown}'


def _image(news: Progress) -> str:
    return data_url(news.preview, "JPEG") if news.preview else ""


def _note(drawn: Drawn) -> str:
    if drawn.seed is None:
        return "Without a seed"
    if not drawn.distances:
        return f"Seed {drawn.seed}"
    tried = ", ".join(f"{distance:.4f}" for distance in drawn.distances)
    return f"Seed {drawn.seed}; CLIP's distances were {tried}, and the least was kept."


def _opened_image(path: str | Path, frame: int = 0) -> Image.Image:
    """
    A picture, or one frame of a video.

    Raises:
        ValueError: It cannot be decoded, or is larger than what is drawn here.
    """
    try:
        with Image.open(path, formats=["PNG", "GIF"]) as image:
            if max(image.size) > LARGEST_PICTURE:
                raise ValueError(f"it has {image.width} x {image.height} pixels, more than {LARGEST_PICTURE} a side")
            image.seek(min(frame, getattr(image, "n_frames", 1) - 1))
            return image.convert("RGB")
    except Exception as error:  # Pillow has many kinds for broken files
        raise ValueError(f"The picture cannot be opened: {error}.") from None


def _has_shape_of(settings: Settings, picture: Image.Image) -> bool:
    """Whether a picture has the proportions of what is drawn; second passes round them."""
    ratio = picture.width * settings.height / (picture.height * settings.width)
    return 1 / _ROUNDED < ratio < _ROUNDED


def _usual(pipe) -> dict:
    """The arguments of a call by default."""
    calls = (type(pipe).__call__, inner_pipe(pipe).__call__)
    return {name: x.default for call in calls for name, x in inspect.signature(call).parameters.items()}


def _differences(making: Making, pipe, elsewhere: list[str], adapter_files: Mapping[str, dict]) -> list[str]:
    """What made a picture, and is otherwise here."""
    found = [f"the page has no field for {name}" for name in elsewhere]
    here = public_name(pipe.config.get("_name_or_path"))
    if making.model != here:
        found.append(f"it was drawn by {making.model}, and this is {here}")
    own = {"class": type(pipe.scheduler).__name__, "config": dict(pipe.scheduler.config)}
    kind, config = making.scheduler["class"], making.scheduler["config"]
    if kind != own["class"]:
        found.append(f"it was drawn with {shortened(kind)}, and here with {own['class']}")
    elif {**own["config"], **config} != own["config"]:
        found.append(f"it was drawn with other settings of {kind}")
    place = place_of(inner_pipe(pipe))
    for name, where in {"dtype": "in", "device": "on"}.items():
        if (then := getattr(making, name)) != place[name]:
            found.append(f"it was drawn {where} {shortened(then)}, and this page draws {where} {place[name]}")
    if making.generator not in (None, NOISE_DEVICE):
        found.append(f"its noise is of {shortened(making.generator)}, and here it is of {NOISE_DEVICE}")
    if making.adapters != (adapters := adapters_of(inner_pipe(pipe), [making.layout])):
        found.append(f"it was drawn with the adapters {shortened(making.adapters)}, and here are {adapters}")
    for name, file in making.adapter_files.items():
        if name in adapter_files and file["sha256"] != adapter_files[name]["sha256"]:
            found.append(f"{name!r} has other weights here")
    return found + changes_since(making)
