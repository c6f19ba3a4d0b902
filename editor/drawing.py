"""Drawing for one visitor after the other, with progress, previews and a way to stop: `Studio`."""

import inspect
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from uuid import uuid4

import torch
from PIL import Image
from torch.nn import functional as F

from ..adapters import with_pictures
from ..layout.regions import Layout
from ..pictures import Making, as_png, making_of
from ..processors.optimized_run import decode
from ..stock import denoiser_of
from ..upscaling import check_second_pass, upscale
from ..videos import as_gif
from .reading import collected_warnings
from .settings import Settings


NOISE_DEVICE = "cpu"  # which gives the same noise for a seed everywhere
_PREVIEW_CELLS = 48  # of the latents' longer side: larger ones are made smaller first
_PREVIEW_PAUSE = 0.7  # seconds, at least, from one preview to the next


class CancelledError(Exception):
    """The visitor has stopped the run."""


class Run:
    """One click on Draw."""

    def __init__(self):
        self._stop = Event()

    def cancel(self) -> None:
        """Stops it at its next step, or before its first."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        return self._stop.is_set()


@dataclass(frozen=True)
class Progress:
    """
    Args:
        done, total (`int`): Steps.
        preview (`PIL.Image`, *optional*): What the first picture looks like, where that is new.
    """

    done: int
    total: int
    preview: Image.Image | None = None


@dataclass(frozen=True)
class Drawn:
    """
    A picture or video that is finished.

    Args:
        path (`Path`): Its PNG, which remembers what it was made from, or its GIF.
        seed (`int`, *optional*): Its own, if it has one.
        plain (`Path`, *optional*): The picture of the same noise without regions.
        distances (`tuple[float, ...]`): Of those that CLIP chose it from.
    """

    path: Path
    seed: int | None
    plain: Path | None = None
    distances: tuple[float, ...] = ()


@dataclass(frozen=True)
class Finished:
    """All pictures of a run, and what was warned of."""

    pictures: tuple[Drawn, ...]
    warned: tuple[str, ...]


class Studio:
    """
    Args:
        pipe ([`SpaceTimeAttnPipeline`]): What draws, one run after the other.
        folder (`Path`): Where the pictures are written.
        adapter_files (`Mapping[str, dict]`, *optional*): What they remember of the files of adapters.
    """

    def __init__(self, pipe, folder: Path, adapter_files: Mapping[str, dict] | None = None):
        self.pipe, self.folder, self.adapter_files = pipe, folder, adapter_files or {}
        self._jobs: Queue[Callable[[], None]] = Queue()
        Thread(target=self._draw_all, daemon=True).start()  # one for all runs: new ones would leave memory behind

    def _draw_all(self) -> None:
        while True:
            self._jobs.get()()

    def draw(
        self, prompt: str, layout: Layout | list[Layout], settings: Settings, run: Run
    ) -> Iterator[Progress | Finished]:
        """
        Progress, and at last the pictures. The run is stopped when the iterator is closed. A video may have a list of
        layouts, one for each frame.

        Raises:
            CancelledError: The run has been stopped.
            Exception: What the pipeline raises.
        """
        news: Queue[Progress | Finished | Exception] = Queue()
        self._jobs.put(partial(self._work, prompt, layout, settings, run, news))
        item = None
        try:
            while isinstance(item := news.get(), Progress):
                yield item
        finally:
            run.cancel()
            while isinstance(item, Progress):  # who listened has left
                item = news.get()
        if isinstance(item, Exception):
            raise item
        yield item

    def _work(self, prompt: str, layout: Layout | list[Layout], settings: Settings, run: Run, news: Queue) -> None:
        try:
            watch = _Watch(run, news, settings)
            with collected_warnings() as warned, _having(self.pipe, settings.defaults):
                drawn = self._pictures if settings.frames == 1 else self._video
                pictures = drawn(prompt, layout, settings, watch)
            news.put(Finished(pictures, tuple(dict.fromkeys(warned))))
        except Exception as error:  # of whatever kind: it is raised where the news are read
            news.put(error)

    def _pictures(self, prompt: str, layout: Layout, settings: Settings, watch: "_Watch") -> tuple[Drawn, ...]:
        layout = _with_background(layout, settings)
        options = settings.options(layout, blend_of(self.pipe, settings.blend, settings.guidance))
        optimised = {"optimize_weights": settings.best_of} if settings.best_of > 1 else {}
        if settings.upscale > 1:
            _check_second_pass(self.pipe, layout, settings)
        output = self._call(prompt, layout, settings, watch, **options, **optimised)
        plain = None
        if settings.compare:
            without = {name: value for name, value in options.items() if name != "weights"}
            no_regions = Layout(prompt=layout.prompt)
            plain = self._call(prompt, no_regions, settings, watch, latents=output.latents, **without)
        if settings.upscale > 1:
            output, plain = (first and self._larger(first, settings, watch) for first in (output, plain))
        distances = [()] * settings.pictures if output.loss_history is None else output.loss_history.tolist()
        folder = self._new_folder()
        slug, making = _slug(prompt), partial(making_of, adapter_files=self.adapter_files)
        return tuple(
            Drawn(
                path=_written(folder / f"{slug}-{seed}.png", output, making(output, number)),
                seed=seed,
                plain=plain and _written(folder / f"plain-{seed}.png", plain, making(plain, number)),
                distances=tuple(distances[number]),
            )
            for number, seed in enumerate(range(settings.seed, settings.seed + settings.pictures))
        )

    def _video(
        self, prompt: str, layout: Layout | list[Layout], settings: Settings, watch: "_Watch"
    ) -> tuple[Drawn, ...]:
        layouts = [_with_background(one, settings) for one in (layout if isinstance(layout, list) else [layout])]
        options = settings.options(layouts[0], blend_of(self.pipe, settings.blend, settings.guidance))
        frames = self._call(prompt, layouts, settings, watch, **options).images
        path = self._new_folder() / f"{_slug(prompt)}-{settings.seed}.gif"
        path.write_bytes(as_gif(frames))
        return (Drawn(path, settings.seed),)

    def _new_folder(self) -> Path:
        folder = self.folder / uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def _call(self, prompt: str, layout: Layout | list[Layout], settings: Settings, watch: "_Watch", **options):
        if watch.run.cancelled:
            raise CancelledError
        options |= {"generator": _generators(settings), **watch.callback(self.pipe)}
        with with_pictures(self.pipe, layout[0] if isinstance(layout, list) else layout):
            output = self.pipe(prompt, layout=layout, **options)
        if watch.run.cancelled:
            raise CancelledError
        return output

    def _larger(self, output, settings: Settings, watch: "_Watch"):
        """The second pass, with a bar of its own."""
        watch = watch.of_second_pass()
        options = {"generator": _generators(settings), "stride": settings.stride or None, **watch.callback(self.pipe)}
        with with_pictures(self.pipe, output.layouts[0]):
            output = upscale(self.pipe, output, settings.upscale, settings.upscale_strength, **options)
        if watch.run.cancelled:
            raise CancelledError
        return output


def _with_background(layout: Layout, settings: Settings) -> Layout:
    return replace(layout, background=settings.background.strip() or None)


def _generators(settings: Settings) -> list[torch.Generator]:
    seeds = range(settings.seed, settings.seed + settings.pictures)
    return [torch.Generator(NOISE_DEVICE).manual_seed(seed) for seed in seeds]


def _runs(settings: Settings) -> int:
    """How often all steps are gone through."""
    return 1 + (settings.best_of if settings.best_of > 1 else 0) + settings.compare


def _check_second_pass(pipe, layout: Layout, settings: Settings) -> None:
    """Raises a ValueError, with the page's name of the field, if a second pass would be refused."""
    try:
        check_second_pass(pipe, [layout], settings.upscale, settings.upscale_strength, settings.stride or None)
    except ValueError as error:
        raise ValueError(str(error).replace("`stride`", "“Window stride”")) from None


@contextmanager
def _having(pipe, defaults: dict) -> Iterator[None]:
    """The pipeline with these defaults in the place of its own."""
    own = {name: getattr(pipe.defaults, name) for name in defaults}
    try:
        for name, value in defaults.items():
            setattr(pipe, name, value)
        yield
    finally:
        for name, value in own.items():
            setattr(pipe, name, value)


def inner_pipe(pipe):
    """diffusers' own pipeline in one of ours."""
    return pipe.stock if hasattr(pipe, "stock") else pipe.pipe


def blend_of(pipe, blend: str | None, guidance: float) -> str:
    """The blend that a call uses: the one that is asked for, or the checkpoint's where it is under guidance."""
    distilled = "unet" in pipe.components and pipe.unet.config.time_cond_proj_dim is not None
    guided = guidance > 1 and not distilled and denoiser_of(inner_pipe(pipe)).in_halves
    return blend or (pipe.defaults.default_blend if guided else "convex")


class _Watch:
    """Is called at the end of each step."""

    def __init__(self, run: Run, news: Queue, settings: Settings):
        self.run, self._news, self._runs = run, news, _runs(settings)
        self._settings, self._size = settings, (settings.height, settings.width)
        self._done, self._next_preview = 0, time.monotonic() + _PREVIEW_PAUSE / 2

    def of_second_pass(self) -> "_Watch":
        """Of a run that goes through the late steps once for each picture."""
        height, width = (round(self._settings.upscale * side / 16) * 16 for side in self._size)
        watch = _Watch(self.run, self._news, self._settings)
        watch._runs, watch._size = self._settings.pictures, (height, width)
        return watch

    def callback(self, pipe) -> dict:
        """The argument of the pipeline's call by which it is called."""
        if "callback_on_step_end" in inspect.signature(inner_pipe(pipe).__call__).parameters:
            return {"callback_on_step_end": self._step}
        return {"callback": partial(self._step_of_others, pipe)}

    def _step(self, pipe, step: int, timestep, given: dict) -> dict:
        self._tell(pipe, pipe.num_timesteps, given["latents"])
        return given

    def _step_of_others(self, pipe, step: int, timestep, latents: torch.Tensor) -> None:
        self._tell(pipe, len(pipe.scheduler.timesteps), latents)

    def _tell(self, pipe, steps: int, latents: torch.Tensor) -> None:
        if self.run.cancelled:
            raise CancelledError
        self._done += 1
        preview = None
        if time.monotonic() > self._next_preview:
            preview = preview_of(pipe.vae, self._as_map(pipe, latents))
            self._next_preview = time.monotonic() + _PREVIEW_PAUSE
        self._news.put(Progress(min(self._done, self._runs * steps), self._runs * steps, preview))

    def _as_map(self, pipe, latents: torch.Tensor) -> torch.Tensor:
        """
        Latents of shape (pictures, channels, rows, columns): of a video those of its first frame, and of FLUX what it
        has as a list of patches.
        """
        if latents.ndim == 5:
            return latents[:, :, 0]
        return latents if latents.ndim == 4 else pipe._unpack_latents(latents, *self._size, pipe.vae_scale_factor)


@torch.no_grad()
def preview_of(vae, latents: torch.Tensor) -> Image.Image | None:
    """The first of some latents, still noisy, as a small picture; none where the VAE overflows."""
    smaller, shift = -(-max(latents.shape[-2:]) // _PREVIEW_CELLS), vae.config.get("shift_factor") or 0
    pixels = decode(vae, F.avg_pool2d(latents[:1], smaller) + shift * vae.config.scaling_factor)[0].float()
    if not pixels.isfinite().all():
        return None
    return Image.fromarray((pixels.permute(1, 2, 0) * 255).round().byte().cpu().numpy())


def _slug(prompt: str) -> str:
    """A file's name from a prompt."""
    return "-".join(re.findall(r"[a-z0-9]+", prompt.lower()))[:40].strip("-") or "picture"


def _written(path: Path, output, making: Making) -> Path:
    path.write_bytes(as_png(output.images[making.number - 1], making))
    return path
