"""The page: `build` makes it around a pipeline, `serve` opens it."""

import inspect
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from .abilities import Abilities
from .drawing import Studio, blend_of, inner_pipe
from .drawing_events import DrawingEvents
from .layout_events import LayoutEvents
from .parts import EXAMPLE, Parts
from .reading import Reader, Wishes
from .request_limit import RequestLimit
from .settings import Settings, default_curve


_CSS, _JS = (Path(__file__).with_name(name) for name in ("page.css", "fields.js"))
UPLOAD_LIMIT = 20 * 2**20  # bytes of a file
_REQUEST_LIMIT = UPLOAD_LIMIT + 2**20
_KEPT = 24 * 3600  # seconds that pictures are kept
_THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def build(pipe, adapter_files: Mapping[str, dict] | None = None) -> gr.Blocks:
    """
    The page for one pipeline, which all visitors share.

    Args:
        pipe ([`SpaceTimeAttnPipeline`]): On the device where it is to draw, with its LoRAs and IP-Adapter. Its bars
            are switched off.
        adapter_files (`Mapping[str, dict]`, *optional*): What pictures remember of the files of these, see
            [`Making`].
    """
    pipe.set_progress_bar_config(disable=True)
    reader, abilities = Reader(pipe), Abilities.of(pipe)
    start = _first_settings(pipe, abilities)
    reader.read(EXAMPLE, Wishes(start.width, start.height, reader.default))  # loads what is loaded at the first use
    points = default_curve(pipe.defaults, blend_of(pipe, None, start.guidance))
    with gr.Blocks(title="spacetime_attn", analytics_enabled=False, delete_cache=(3600, _KEPT)) as page:
        parts = Parts(reader, start, points, abilities)
        layouts = LayoutEvents(parts, reader)
        layouts.connect()
        studio = Studio(pipe, Path(page.GRADIO_CACHE, "pictures"), adapter_files)
        DrawingEvents(parts, studio, layouts).connect(page)
    return page.queue(default_concurrency_limit=1, api_open=False)


def _first_settings(pipe, abilities: Abilities) -> Settings:
    """What the pipeline does by default."""
    height, width = pipe.picture_size(None, None)
    stock = inspect.signature(inner_pipe(pipe).__call__).parameters
    steps, guidance = (stock[name].default for name in ("num_inference_steps", "guidance_scale"))
    kept = {name: getattr(pipe.defaults, name) for name in ("depth_order", "separation_strength", "separation_end")}
    frames = min(stock["num_frames"].default, abilities.frames) if abilities.videos else 1
    return Settings(width, height, steps, guidance, **kept, frames=frames)


def serve(
    pipe, port: int | None = None, listen: bool = False, adapter_files: Mapping[str, dict] | None = None
) -> None:
    """
    Opens the page, prints its address and serves it until Ctrl-C or SIGTERM. What visitors upload and draw lies in a
    folder that is removed then, and no other file can be read through the page.

    Args:
        pipe, adapter_files: See [`build`].
        port (`int`, *optional*): By default the first free one from 7860 on.
        listen (`bool`): Whether other machines may open the page.

    Raises:
        OSError: The port is taken.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix="spacetime_attn_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build(pipe, adapter_files)
        _, address, _ = page.launch(
            server_name="0.0.0.0" if listen else "127.0.0.1",
            server_port=port,
            share=False,
            max_file_size=UPLOAD_LIMIT,
            app_kwargs={"middleware": [Middleware(RequestLimit, most=_REQUEST_LIMIT)]},
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            footer_links=[],
            theme=_THEME,
            css=_CSS.read_text(encoding="utf-8"),
            js=_JS.read_text(encoding="utf-8"),
        )
        print(f"The page is at {address}  (Ctrl-C ends it)", flush=True)
        page.block_thread()


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """What is to be removed at the end is removed where the process is told to end, too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
