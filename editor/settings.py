"""How pictures are to be drawn, as plain data: `Settings`, from the page's fields or from a picture that remembers."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from ..layout.files import shortened
from ..layout.regions import Layout
from ..pictures import Making
from ..processors.control import BLENDS
from ..processors.defaults import Defaults
from ..processors.optimizer import WeightOptimizer
from ..processors.region_adapters import ADAPTER_LAYERS
from ..processors.weights import default_weights


LARGEST_SIDE = 2048  # pixels
MOST = {"steps": 200, "pictures": 16, "best_of": 32, "frames": 1024}
LARGEST_UPSCALE = 4
LARGEST_PICTURE = 4096  # pixels a side, after a second pass
MOST_SEPARATION = 100
CURVE_POINTS = 6  # of weights over time
_LIMITS = {"width": (8, LARGEST_SIDE), "height": (8, LARGEST_SIDE), "seed": (0, 2**63 - 1)}
_LIMITS |= {name: (1, most) for name, most in MOST.items()} | {"stride": (0, LARGEST_PICTURE)}
_FIELDS = (
    "width",
    "height",
    "num_inference_steps",
    "guidance_scale",
    "negative_prompt",
    "num_images_per_prompt",
    "blend",
    "prompt_syntax",
    "adapter_layers",
)
_WORDS = {"best_of": "“Best of”", "pictures": "The number of pictures", "steps": "The number of steps"}
_WORDS |= {"stride": "“Window stride”", "frames": "The number of frames"}


@dataclass(frozen=True)
class Settings:
    """
    Args:
        negative_prompt (`str`): What the pictures should not show.
        width, height (`int`): In pixels, multiples of 8.
        steps (`int`), guidance (`float`): As in diffusers.
        seed (`int`): Of the first picture; the next ones count up.
        pictures (`int`): How many.
        best_of (`int`): Of so many pictures of other noise CLIP's choice is kept; 1 for no choice.
        blend (`str`, *optional*): By default the checkpoint's.
        curve (`tuple[float, ...]`, *optional*): Weights at equal distances of time, from the first step to the last:
            what the objects share (guided), or what each has (convex). By default the checkpoint's.
        rows (`tuple`, *optional*): In the place of a curve each object's weight at each step, as a picture had them.
        depth_order (`bool`): Whether regions give way to those in front of them.
        background (`str`): What is where no region is, see [`Layout`].
        upscale (`float`): By which factor pictures are drawn once more, see [`upscale`]; 1 for no second pass.
        upscale_strength (`float`): How much of that is drawn anew.
        stride (`int`): How far apart the windows are in which it is drawn, in pixels; 0 for the picture as a whole.
        separation_strength (`float`): How strongly neighbours are kept apart in self-attention.
        separation_end (`float`): Until which part of the steps.
        adapter_layers (`str`): Where LoRAs of regions act, one of `ADAPTER_LAYERS`.
        compare (`bool`): Whether to draw the same noise without regions, too.
        prompt_syntax (`str`, *optional*): How weights stand in texts, where the pipeline reads any.
        true_cfg_scale (`float`): Of models whose guidance is distilled; above 1, negative prompts act.
        frames (`int`): Of a video; 1 for pictures.

    Raises:
        ValueError: Names the field that makes no sense.
    """

    width: int
    height: int
    steps: int
    guidance: float
    seed: int = 0
    negative_prompt: str = ""
    pictures: int = 1
    best_of: int = 1
    blend: str | None = None
    curve: tuple[float, ...] | None = None
    rows: tuple[tuple[float, ...], ...] | None = None
    depth_order: bool = False
    background: str = ""
    upscale: float = 1.0
    upscale_strength: float = 0.2
    stride: int = 0
    separation_strength: float = 0.0
    separation_end: float = 0.3
    adapter_layers: str = ADAPTER_LAYERS[0]
    compare: bool = False
    prompt_syntax: str | None = None
    true_cfg_scale: float = 1.0
    frames: int = 1

    def __post_init__(self):
        for name, (low, high) in _LIMITS.items():
            value, words = getattr(self, name), _WORDS.get(name, f"The {name}")
            if not isinstance(value, (int, float)) or not float(value).is_integer() or not low <= value <= high:
                raise ValueError(f"{words} has to be a whole number in {low}..{high}, got {value!r}.")
            object.__setattr__(self, name, int(value))
        if self.width % 8 or self.height % 8:
            raise ValueError(f"Width and height have to be divisible by 8, got {self.width} x {self.height}.")
        for name, value in (("guidance", self.guidance), ("true CFG scale", self.true_cfg_scale)):
            if not isinstance(value, (int, float)) or not 0 <= value <= 100:
                raise ValueError(f"The {name} has to be a number in 0..100, got {value!r}.")
        if not isinstance(self.upscale, (int, float)) or not 1 <= self.upscale <= LARGEST_UPSCALE:
            raise ValueError(f"“Upscale” has to be a number in 1..{LARGEST_UPSCALE}, got {self.upscale!r}.")
        if (side := round(self.upscale * max(self.width, self.height))) > LARGEST_PICTURE:
            raise ValueError(f"“Upscale” makes a side of {side} pixels, more than {LARGEST_PICTURE}: lower it.")
        if not isinstance(self.upscale_strength, (int, float)) or not 0 < self.upscale_strength <= 1:
            raise ValueError(f"“Drawn anew” has to be a number above 0, up to 1, got {self.upscale_strength!r}.")
        if self.blend not in (None, *BLENDS):
            raise ValueError(f"The blend has to be {' or '.join(BLENDS)}, got {shortened(self.blend)}.")
        if self.adapter_layers not in ADAPTER_LAYERS:
            raise ValueError(f"LoRAs of regions act in {' or '.join(ADAPTER_LAYERS)}, got {self.adapter_layers!r}.")

    def options(self, layout: Layout, blend: str) -> dict:
        """
        The arguments of the pipeline's call, but for prompt, layout and noise.

        Raises:
            ValueError: The rows are those of other regions or steps.
        """
        if self.rows and (len(self.rows), len(self.rows[0])) != (len(layout), self.steps):
            raise ValueError(
                f"The picture's weights are those of {len(self.rows)} regions at {len(self.rows[0])} steps, and there"
                f" are {len(layout)} regions and {self.steps} steps: click “Back to the checkpoint's weights” first."
            )
        truly_guided = self.true_cfg_scale > 1
        count = {"num_frames": self.frames} if self.frames > 1 else {"num_images_per_prompt": self.pictures}
        options = {
            "width": self.width,
            "height": self.height,
            "num_inference_steps": self.steps,
            "guidance_scale": float(self.guidance),
            "true_cfg_scale": float(self.true_cfg_scale) if truly_guided else None,
            "negative_prompt": self.negative_prompt or ("" if truly_guided else None),
            **count,
            "blend": self.blend,
            "prompt_syntax": self.prompt_syntax,
            "adapter_layers": None if self.adapter_layers == ADAPTER_LAYERS[0] else self.adapter_layers,
            "weights": self.rows or self._weights(len(layout), blend),
        }
        return {name: value for name, value in options.items() if value is not None}

    @property
    def defaults(self) -> dict:
        """What takes the place of the checkpoint's defaults."""
        separation = {name: float(getattr(self, name)) for name in ("separation_strength", "separation_end")}
        return {"depth_order": self.depth_order, **separation}

    def _weights(self, objects: int, blend: str) -> list[list[float]] | None:
        if self.curve is None or not objects:
            return None
        times = (np.arange(self.steps) + 0.5) / self.steps
        row = np.interp(times, np.linspace(0, 1, len(self.curve)), self.curve)
        return np.tile(row / objects if blend == "guided" else row, (objects, 1)).round(6).tolist()


def default_curve(defaults: Defaults, blend: str) -> tuple[float, ...]:
    """The checkpoint's weights, as a curve shows them."""
    course = default_weights(1, 1000, blend, **defaults.weights(blend))[0]
    points = np.interp(np.linspace(0, 999, CURVE_POINTS), np.arange(1000), course)
    return tuple(round(float(point), 3) for point in points)


def curve_of(rows, blend: str) -> tuple[float, ...]:
    """The weights of single objects, as a curve shows them."""
    course = np.sum(rows, axis=0) if blend == "guided" else np.mean(rows, axis=0)
    points = np.interp(np.linspace(0, len(course) - 1, CURVE_POINTS), np.arange(len(course)), course)
    return tuple(round(float(point), 3) for point in points)


def settings_of(making: Making, own: Defaults, usual: dict) -> tuple[Settings, list[str]]:
    """
    The settings that made a picture, and what made it that the page has no field for.

    Args:
        own ([`Defaults`]): Those of the page's checkpoint.
        usual (`dict`): The arguments of its pipeline's call by default.

    Raises:
        ValueError, TypeError: They make no sense.
    """
    given, elsewhere = making.arguments, [f"its {name}" for name in making.lost]
    others = {name: value for name, value in given.items() if name not in _FIELDS}
    if not isinstance(negative := given.get("negative_prompt") or "", str):  # of several prompts
        others, negative = others | {"negative_prompt": negative}, ""
    true_cfg_scale = others.pop("true_cfg_scale", 1.0) if "true_cfg_scale" in usual else 1.0
    if second := _second_pass(making):
        del others["upscale"]
    elsewhere += [f"its {name} {shortened(value)}" for name, value in others.items() if value != _plain(usual, name)]
    defaults = Defaults(**making.defaults)
    if isinstance(making.weights, dict):
        noise = " and their noise" if making.has_noise_of_file else ""
        elsewhere.append(f"the weights in {shortened(making.weights.get('file'))}{noise}")
    epochs = (making.optimize_weights or {}).get("epochs", 1)
    if making.optimize_weights and making.optimize_weights != asdict(WeightOptimizer(epochs)):
        elsewhere.append("its way of optimising")
    first, pictures = _seeds(making)
    if (shared := _shared_noise(making, first, pictures)) and not making.has_noise_of_file:
        elsewhere.append(shared)
    settings = Settings(
        width=given.get("width"),
        height=given.get("height"),
        steps=given.get("num_inference_steps"),
        guidance=given.get("guidance_scale"),
        seed=first,
        negative_prompt=negative,
        pictures=pictures,
        best_of=epochs,
        blend=given.get("blend"),
        prompt_syntax=given.get("prompt_syntax"),
        depth_order=defaults.depth_order,
        background=making.layout.background or "",
        **second,
        separation_strength=defaults.separation_strength,
        separation_end=defaults.separation_end,
        adapter_layers=given.get("adapter_layers") or ADAPTER_LAYERS[0],
        true_cfg_scale=true_cfg_scale,
    )
    return replace(settings, rows=_rows_of(making, settings, defaults, own)), elsewhere


def _second_pass(making: Making) -> dict:
    """The fields of a picture's second pass, if it has one as the page draws it."""
    passes = making.arguments.get("upscale")
    if not isinstance(passes, list) or len(passes) != 1 or not isinstance(passes[0], dict):
        return {}
    one = passes[0]
    if one.keys() - {"stride"} != {"factor", "strength", "seed", "generator"} or one["seed"] != making.seed:
        return {}
    return {"upscale": one["factor"], "upscale_strength": one["strength"], "stride": one.get("stride", 0)}


def _plain(usual: dict, name: str):
    """A default as JSON has it."""
    value = usual.get(name)
    return list(value) if isinstance(value, tuple) else value


def _seeds(making: Making) -> tuple[int, int]:
    """The first seed and the number of pictures, where the seeds count up; else the picture's own."""
    seeds = making.seed
    if isinstance(seeds, list) and seeds == list(range(seeds[0], seeds[0] + len(seeds))):
        return seeds[0], len(seeds)
    return making.own_seed or 0, 1


def _shared_noise(making: Making, first: int, pictures: int) -> str | None:
    """What makes the noise of its call, where it is not the seeds that count up from the first."""
    if making.seed is None:
        return None if "seed" in making.lost else "noise without a seed"
    if isinstance(making.seed, list):
        is_other = making.seed != list(range(first, first + pictures))
        return f"its call's seeds {shortened(making.seed)}" if is_other else None
    return f"one seed for all {making.pictures} pictures of its call" if making.pictures > 1 else None


def _rows_of(making: Making, settings: Settings, defaults: Defaults, own: Defaults) -> tuple | None:
    """The weights of single objects, where they are neither the page's own nor in a file."""
    rows, objects, steps = making.weights, len(making.layout), settings.steps
    if isinstance(rows, dict):
        return None
    if rows is None:
        if (weights := defaults.weights(settings.blend)) == own.weights(settings.blend):
            return None
        rows = default_weights(objects, steps, settings.blend, **weights)
    elif isinstance(rows, (int, float)):
        rows = np.full((objects, steps), rows)
    try:
        numbers = np.array(rows, dtype=np.float64).reshape(objects, steps)
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    if not np.isfinite(numbers).all():
        raise ValueError(f"The picture's weights are not {steps} finite numbers for each of {objects} objects.")
    return tuple(map(tuple, numbers.tolist()))
