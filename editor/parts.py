"""What the page consists of, without what it does: `Parts`."""

import gradio as gr

from ..processors.control import BLENDS
from ..processors.region_adapters import ADAPTER_LAYERS
from .abilities import Abilities
from .canvas import CANVAS_CSS, CANVAS_HTML, CANVAS_JS, canvas_value
from .curve import curve
from .mask_editor import MaskEditor
from .reading import LONGEST_PROMPT, Read, Reader
from .region_picture import RegionPicture
from .scene import Scene
from .settings import MOST, MOST_SEPARATION, Settings


CHECKPOINTS = "the checkpoint's"
EXAMPLE = "a red apple to the left of a blue car"
_PREDICTORS = {
    "rules": "rules",
    "transformer": "transformer, learned",
    "llm": "language model, on Enter",
    "auto": "transformer, and a language model for hard prompts, on Enter",
}
_SYNTAXES = {"plain": "plain text", "a1111": "A1111: (red:1.3)", "compel": "compel: (red)1.3"}
_LAYERS = {"all": "in all of their layers", "cross_attention": "in cross-attention alone"}
_MASK_SIDE = 384  # pixels of the longer side of what a mask is drawn on


class Parts:
    """
    All components, and what is kept for each visitor, in two columns that stand below each other on narrow screens.

    Args:
        reader ([`Reader`]): Its predictors can be chosen.
        start ([`Settings`]): What the fields hold at first.
        points (`tuple[float, ...]`): The checkpoint's weights over time.
        abilities ([`Abilities`]): What fields are for.
    """

    def __init__(self, reader: Reader, start: Settings, points: tuple[float, ...], abilities: Abilities):
        self.abilities = abilities
        self.scene, self.read = gr.State(Scene()), gr.State(Read())
        self.struck, self.added = gr.State(()), gr.State(())
        self.rows = gr.State(None)  # weights of single objects, from a picture
        self.own_curve = gr.State(None)
        self.asked = gr.State(None)  # the settings of the run that waits or draws
        self.drawn, self.backdrop = gr.State(()), gr.State(None)
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self._prompt(reader)
                self._canvas(start)
            with gr.Column(scale=4, min_width=320):
                self._results()
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self._reading(reader)
                self._region(start)
            with gr.Column(scale=4, min_width=320):
                self._settings(start, points)

    def _prompt(self, reader: Reader) -> None:
        self.prompt = gr.Textbox(
            label="Prompt", placeholder=EXAMPLE, lines=2, max_lines=6, max_length=LONGEST_PROMPT, elem_id="prompt"
        )
        choices = [(_SYNTAXES[name], name) for name in reader.syntaxes]
        self.syntax = gr.Radio(
            choices, value=reader.syntax, label="How texts are written", visible=len(choices) > 1, elem_id="syntax"
        )
        with gr.Group(visible=False, elem_id="question") as self.question:
            gr.Markdown("The prompt names other objects now.", container=True)
            with gr.Row():
                self.place_anew = gr.Button("Place all of them anew", size="sm", min_width=120)
                self.keep = gr.Button("Keep my boxes, add what is new", size="sm", min_width=120)

    def _canvas(self, start: Settings) -> None:
        self.canvas = gr.HTML(
            canvas_value(Scene()),
            aspect=start.width / start.height,
            picture=None,
            shown=True,
            elem_id="canvas",
            html_template=CANVAS_HTML,
            css_template=CANVAS_CSS,
            js_on_load=CANVAS_JS,
        )
        with gr.Row(elem_classes="tools"):
            self.undo = _tool("Undo", interactive=False)
            self.new = _tool("New box")
            self.delete = _tool("Delete", interactive=False)
            self.front = _tool("To front", interactive=False)
            self.back = _tool("To back", interactive=False)
        self.frame = gr.Slider(
            0,
            max(start.frames, 2) - 1,
            0,
            step=1,
            label="Frame",
            info=key_frames_of(Scene()),
            buttons=[],
            visible=self.abilities.videos,
            elem_id="frame",
        )
        self.no_key_frame = _tool("Remove key frame", interactive=False, visible=self.abilities.videos)
        with gr.Row():
            self.shown = gr.Checkbox(True, label="Show the boxes", min_width=120, elem_id="shown")
            self.under = gr.Checkbox(True, label="Show the picture under them", min_width=120)

    def _reading(self, reader: Reader) -> None:
        with gr.Accordion("What was read"):
            self.objects = gr.CheckboxGroup([], label="Objects: untick what is none", elem_id="objects")
            with gr.Row(equal_height=True):
                self.addition = gr.Textbox(
                    show_label=False,
                    placeholder="words of the prompt that are an object, too",
                    scale=3,
                    min_width=150,
                    elem_id="addition",
                )
                self.add = gr.Button("Add", size="sm", scale=1, min_width=80)
            self.told = gr.HTML("", elem_id="told")
        with gr.Accordion("How objects are placed", open=False):
            choices = [(_PREDICTORS[name], name) for name in reader.predictors]
            self.predictor = gr.Radio(choices, value=reader.default, label="Predictor")
            with gr.Row():
                self.temperature = gr.Slider(
                    0, 2, 0, step=0.1, label="The transformer's temperature: 0 is the likeliest", min_width=140
                )
                self.layout_seed = gr.Number(0, label="Its seed", precision=0, minimum=0, min_width=80)
            self.other_layout = gr.Button("Another layout", size="sm")

    def _region(self, start: Settings) -> None:
        with gr.Accordion("Region: click on one", open=False, elem_id="region") as self.region:
            self.phrase = gr.Textbox(label="Phrase", interactive=False, elem_id="phrase")
            self.description = gr.Textbox(label="Description, in the place of the phrase", interactive=False)
            self.region_negative = gr.Textbox(label="Not to be seen in it", interactive=False)
            self.adapters = gr.Textbox(
                label="LoRAs in it alone, such as: anna: 0.8, other: 1",
                info=f"Loaded: {', '.join(self.abilities.loras) or 'none'}",
                interactive=False,
                elem_id="adapters",
            )
            self.image = RegionPicture(
                label="Its picture, for the IP-Adapter",
                sources=["upload"],
                type="filepath",
                buttons=[],
                interactive=False,
                visible=self.abilities.pictures,
                height=160,
                elem_id="region_picture",
            )
            with gr.Row():
                self.strength = _region_slider("Strength", 0, 4, 1)
                self.softness = _region_slider("Softness of a box's edge", 0, 0.5, 0)
            with gr.Row():
                self.start = _region_slider("Acts from (0: first step)", 0, 1, 0)
                self.end = _region_slider("Acts until (1: last step)", 0, 1, 1)
            with gr.Accordion("A mask in the box's place", open=False, elem_id="masking") as self.masking:
                self.mask = MaskEditor(
                    label="Draw where the object is to be",
                    sources=(),
                    transforms=(),
                    layers=False,
                    image_mode="RGBA",
                    type="pil",
                    brush=gr.Brush(default_size=24, colors=["#1f6feb"], color_mode="fixed"),
                    canvas_size=mask_size(start.width, start.height),
                    fixed_canvas=True,
                    elem_id="mask",
                )
                with gr.Row():
                    self.use_mask = gr.Button("Take this mask", size="sm", interactive=False)
                    self.use_box = gr.Button("Back to a box", size="sm", interactive=False)

    def _results(self) -> None:
        with gr.Row():
            self.draw = gr.Button("Draw", variant="primary", scale=3, min_width=120, elem_id="draw")
            self.cancel = gr.Button("Cancel", scale=1, min_width=90, interactive=False, elem_id="cancel")
        self.progress = gr.HTML("", elem_id="progress")
        label, kind = ("Video", "GIF") if self.abilities.videos else ("Picture", "PNG")
        self.picture = gr.Image(
            label=label, type="filepath", interactive=False, buttons=["fullscreen"], elem_id="picture"
        )
        self.slider = gr.ImageSlider(
            label="Without regions and with them", visible=False, type="filepath", interactive=False, elem_id="slider"
        )
        self.gallery = gr.Gallery(
            label="All pictures",
            visible=False,
            columns=4,
            height="auto",
            interactive=False,
            allow_preview=False,
            elem_id="gallery",
        )
        self.note = gr.Markdown("", elem_id="note")
        self.download = gr.DownloadButton(f"Download the {kind}", interactive=False, size="sm", elem_id="download")
        self.file = gr.File(
            label="Drop a PNG made here to go on with it",
            file_types=[".png"],
            visible=not self.abilities.videos,
            height=150,
            elem_id="file",
        )

    def _settings(self, start: Settings, points: tuple[float, ...]) -> None:
        with gr.Accordion("How it is drawn"):
            self.background = gr.Textbox(start.background, label="Background: what is where no region is")
            self.negative = gr.Textbox(start.negative_prompt, label="Not to be seen in the picture")
            with gr.Row():
                self.width = _number("Width", start.width, step=8)
                self.height = _number("Height", start.height, step=8)
                self.steps = _number("Steps", start.steps)
                self.guidance = _number("Guidance", start.guidance, step=0.5, precision=None)
                self.true_cfg_scale = _number(
                    "True CFG scale",
                    start.true_cfg_scale,
                    step=0.5,
                    precision=None,
                    visible=self.abilities.true_cfg_scale,
                )
            with gr.Row(equal_height=True):
                self.seed = _number("Seed", start.seed)
                self.dice = gr.Button("🎲 Another seed", size="sm", min_width=100)
            self.frames = gr.Slider(
                min(2, start.frames),
                max(2, self.abilities.frames),
                start.frames,
                step=1,
                label="Frames",
                buttons=[],
                visible=self.abilities.videos,
                elem_id="frames",
            )
            with gr.Row(visible=not self.abilities.videos):
                self.pictures = _count("Pictures", MOST["pictures"])
                self.best_of = _count("Best of", MOST["best_of"])
            with gr.Row(visible=not self.abilities.videos):
                self.upscale = _number("Upscale", start.upscale, step=0.5, precision=None)
                self.upscale_strength = _number("Drawn anew", start.upscale_strength, step=0.05, precision=None)
                self.stride = _number("Window stride", start.stride, step=8, visible=self.abilities.windows)
            self.compare = gr.Checkbox(
                False,
                label="Compare with the same noise without regions",
                visible=not self.abilities.videos,
                elem_id="compare",
            )
            self.blend = gr.Radio([CHECKPOINTS, *BLENDS], value=CHECKPOINTS, label="Blend")
            self.depth_order = gr.Checkbox(
                start.depth_order, label="Regions give way to those in front of them", elem_id="depth_order"
            )
            self.separation_strength = gr.Slider(
                0,
                MOST_SEPARATION,
                start.separation_strength,
                step=0.5,
                label="Keep neighbours apart",
                elem_id="separation",
            )
            self.separation_end = gr.Slider(
                0,
                1,
                start.separation_end,
                step=0.05,
                label="Kept apart until (1: last step)",
                elem_id="separation_end",
            )
            self.adapter_layers = gr.Radio(
                [(_LAYERS[name], name) for name in ADAPTER_LAYERS],
                value=start.adapter_layers,
                label="Where LoRAs of regions act",
                visible=bool(self.abilities.loras),
                elem_id="adapter_layers",
            )
            gr.Markdown("Weights over time: drag the points.")
            self.curve = curve(points)
            self.own_weights = gr.Button("Back to the checkpoint's weights", size="sm")


def key_frames_of(scene: Scene) -> str:
    """What is told of them."""
    return f"Key frames: {', '.join(map(str, scene.key_frames))}. A box that you move makes one."


def _tool(text: str, **options) -> gr.Button:
    return gr.Button(text, size="sm", min_width=56, **options)


def _number(label: str, value: float, step: float = 1, precision: int | None = 0, **options) -> gr.Number:
    options |= {"min_width": 80, "elem_id": _id(label)}
    return gr.Number(value, label=label, step=step, precision=precision, **options)


def _count(label: str, most: int) -> gr.Slider:
    return gr.Slider(1, most, 1, step=1, label=label, min_width=120, elem_id=_id(label))


def _id(label: str) -> str:
    return label.lower().replace(" ", "_")


def _region_slider(label: str, low: float, high: float, value: float) -> gr.Slider:
    return gr.Slider(low, high, value, step=0.01, label=label, interactive=False, min_width=140)


def mask_size(width: int, height: int) -> tuple[int, int]:
    """Of what a mask is drawn on, in pixels."""
    factor = _MASK_SIDE / max(width, height)
    return max(round(factor * width), 1), max(round(factor * height), 1)
