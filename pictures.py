"""Pictures that remember what they were made from: `save_picture`, `read_picture` and `draw_again`."""

import base64
import dataclasses
import hashlib
import inspect
import io
import json
import logging
import math
import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from . import __version__, default_model
from .layout.files import shortened, write_whole
from .layout.regions import Layout


logger = logging.getLogger(__name__)

MAKING_VERSION = 1
CHUNK = "spacetime_attn"  # the name of our text in a PNG
DEFAULT_MODEL = "default"  # the checkpoint that ships
_MOST_CHARACTERS = 4 * 2**20  # of that text
_MOST_PIXELS = 2**24  # of all its masks and regions' pictures, which may be packed to a thousandth
_MOST_TRAIN_STEPS = 100_000  # of a scheduler: it keeps some numbers for each
_OPTIONAL = ("adapter_files", "threads")  # fields of a making that not every picture has
_LIBRARIES = ("torch", "diffusers", "transformers")
_PAIRS = ("original_size", "target_size", "negative_original_size", "negative_target_size")
_PAIRS += ("crops_coords_top_left", "negative_crops_coords_top_left")  # which JSON makes lists
_FIRST = {"prompt", "layout", "generator", "weights", "optimize_weights"}  # what a call is given beside `arguments`
# Arguments that no making holds: they do not change a picture, or no text can hold them.
_NEVER_KEPT = re.compile("callback|output_type|return_dict|latents|embeds|ip_adapter|attention_mask")
_Made = TypeVar("_Made")

# What other tools call schedulers.
_SAMPLERS = {
    "PNDMScheduler": "PLMS",
    "LMSDiscreteScheduler": "LMS",
    "EulerDiscreteScheduler": "Euler",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2DiscreteScheduler": "DPM2",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "UniPCMultistepScheduler": "UniPC",
}


@dataclass(frozen=True)
class Making:
    """
    What a picture was made from.

    Args:
        prompt (`str`): The text.
        layout ([`Layout`]): Which phrase went where.
        number, pictures (`int`): It is picture `number`, counted from 1, of so many of one call.
        arguments (`dict`): Further arguments of the call: size, steps, guidance, blend and others.
        seed (`int` or `list[int]`, *optional*): Of one generator for all pictures of the call, or of each one's own.
        generator (`str`, *optional*): The device of these.
        weights (`float`, `list` or `dict`, *optional*): A number, rows of numbers, or `"file"` and `"sha256"`, and
            `"noise"` where the picture begins from the file's; `None` for the defaults.
        optimize_weights (`dict`, *optional*): The fields of the [`WeightOptimizer`].
        defaults (`dict`): See [`Defaults`].
        scheduler (`dict`): Its `"class"` and `"config"`.
        adapters (`dict`): The LoRAs that acted, and `"IP-Adapter"`, each with its scale or scales.
        model (`str`, *optional*): An id on the Hub, `"default"` for the checkpoint that ships, or the bare name of a
            folder or file.
        dtype, device (`str`): Those of the UNet.
        versions (`dict[str, str]`): Of this package and of libraries.
        lost (`list[str]`): Arguments that the picture does not hold, so that it cannot be made again.
        adapter_files (`dict[str, dict]`): Of adapters by name, where they are known: `"file"`, a place on the Hub or
            the bare name of a file, and its `"sha256"`.
        threads (`int`, *optional*): Of the CPU that drew.

    Raises:
        TypeError, ValueError: Names the field that is something else.
    """

    prompt: str
    layout: Layout
    number: int
    pictures: int
    arguments: dict
    seed: int | list | None
    generator: str | None
    weights: int | float | list | dict | None
    optimize_weights: dict | None
    defaults: dict
    scheduler: dict
    adapters: dict
    model: str | None
    dtype: str
    device: str
    versions: dict
    lost: list
    adapter_files: dict = dataclasses.field(default_factory=dict)
    threads: int | None = None

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, field.type) or isinstance(value, bool):
                raise TypeError(f"`{field.name}` has to be of type {_named(field.type)}, got {shortened(value)}.")
        for name in ("number", "pictures"):
            if not 1 <= getattr(self, name) <= 2**16:
                raise ValueError(f"`{name}` has to be a whole number from 1, got {shortened(getattr(self, name))}.")
        seeds = self.seed if isinstance(self.seed, list) else [] if self.seed is None else [self.seed]
        if not all(type(seed) is int and 0 <= seed < 2**64 for seed in seeds):
            raise ValueError(f"`seed` has to be whole numbers from 0, got {shortened(self.seed)}.")
        if self.number > self.pictures or isinstance(self.seed, list) and len(seeds) != self.pictures:
            raise ValueError(f"`number` {self.number} and `seed` {shortened(self.seed)} do not fit `pictures`.")
        for name, kinds in {"class": str, "config": dict}.items():
            if not isinstance(self.scheduler.get(name), kinds):
                raise TypeError(f"`scheduler` has to have a {name!r}, got {shortened(self.scheduler)}.")
        for name, kept in self.adapter_files.items():
            if not isinstance(kept, dict) or not all(isinstance(kept.get(key), str) for key in ("file", "sha256")):
                raise TypeError(f"`adapter_files` has to tell a file and its hash of {name!r}, got {shortened(kept)}.")

    @property
    def has_noise_of_file(self) -> bool:
        """Whether it begins from the noise that its weights were optimised for."""
        return isinstance(self.weights, dict) and bool(self.weights.get("noise"))

    @property
    def own_seed(self) -> int | None:
        """The picture's own seed, or that of its call; none where it begins from the noise of a file."""
        if self.has_noise_of_file:
            return None
        return self.seed[self.number - 1] if isinstance(self.seed, list) else self.seed

    def to_dict(self) -> dict:
        """JSON-ready data; inverse of `from_dict`."""
        values = {name: value for name, value in vars(self).items() if value or name not in _OPTIONAL}
        return {"version": MAKING_VERSION, **values, "layout": self.layout.to_dict()}

    @classmethod
    def from_dict(cls, data: dict) -> "Making":
        """
        Reads what `to_dict` gives.

        Raises:
            ValueError, TypeError: Anything else, or a newer version.
        """
        if not isinstance(data, dict) or type(number := data.get("version")) is not int:
            raise ValueError(f"it has to be a JSON object with a version, got {shortened(data)}.")
        if number > MAKING_VERSION:
            raise ValueError(f"it is of version {shortened(number)}, newer than this release reads: update it.")
        names = [field.name for field in fields(cls) if field.name not in _OPTIONAL or field.name in data]
        missing, unknown = ([x for x in a if x not in b] for a, b in ((names, data), (data, [*names, "version"])))
        if missing or unknown:
            raise ValueError(f"it lacks {missing}." if missing else f"it has the unknown keys {shortened(unknown)}.")
        _check_drawings(data["layout"])
        return cls(**{name: data[name] for name in names} | {"layout": Layout.from_dict(data["layout"])})


def making_of(output, index: int = 0, adapter_files: Mapping[str, dict] | None = None) -> Making:
    """
    What a picture of a [`SpaceTimeAttnPipelineOutput`] was made from.

    Args:
        adapter_files (`Mapping[str, dict]`, *optional*): What is known of the files of adapters, by name, see
            [`Making`].

    Raises:
        IndexError: There is no such picture.
        ValueError: The output does not tell, for it is another pipeline's.
    """
    record = getattr(output, "making", None)
    if not record:
        raise ValueError("Only outputs of SpaceTimeAttnPipeline tell what their pictures were made from.")
    count = len(output.layouts)
    if not isinstance(index, int) or not 0 <= index < count:
        raise IndexError(f"There is no picture {index!r} among {count}, which are counted from 0.")
    layout, lost, files = output.layouts[index], list(record["lost"]), (adapter_files or {}).items()
    if any(other != layout for other in output.layouts):
        lost.append("layout")  # the pictures of the call had layouts of their own
    optimizer = record["optimize_weights"]
    if optimizer and output.loss_history is not None:  # which may have ended early
        optimizer = optimizer | {"epochs": output.loss_history.shape[1]}
    return Making(
        **record
        | {
            "prompt": record["prompt"] or "",
            "layout": Layout.coerce(layout),
            "number": index + 1,
            "pictures": count,
            "optimize_weights": optimizer,
            "model": public_name(record["model"]),
            "versions": _versions(),
            "lost": lost,
            "adapter_files": {name: file for name, file in files if name in record["adapters"]},
        }
    )


def save_picture(output, index: int, path: str | os.PathLike) -> None:
    """
    Writes a picture of a [`SpaceTimeAttnPipelineOutput`] as a PNG that carries its making: as JSON, and as the
    `parameters` that other tools read.

    Args:
        output: What the pipeline gave, with pictures of PIL.
        index (`int`): Which of them, counted from 0.
        path (`str` or `os.PathLike`): A name that ends in `.png`.

    Raises:
        ValueError, TypeError, IndexError: There is no such picture, or the name is another.
        OSError: The file cannot be written; what it held before stays.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{str(path)!r} is no name of a PNG, which alone remembers: end it in .png.")
    making = making_of(output, index)
    if not isinstance(output.images, list):
        raise TypeError("The output holds no pictures of PIL: call the pipeline with `output_type='pil'`.")
    write_whole(path, as_png(output.images[index], making))


def as_png(image: Image.Image, making: Making | None) -> bytes:
    """The picture as a PNG, with its making or without any. One that is too large is left out, with a warning."""
    texts = PngInfo()
    if making is not None:
        texts.add_text("parameters", parameters(making))
        try:
            texts.add_text(CHUNK, _as_text(making))
        except ValueError as error:
            logger.warning("The picture does not hold all that it was made from: %s", error)
    data = io.BytesIO()
    image.save(data, format="PNG", pnginfo=texts)
    return data.getvalue()


def _as_text(making: Making) -> str:
    """As JSON that can be read again, or a ValueError."""
    data = making.to_dict()
    _check_drawings(data["layout"])
    text = json.dumps(data)
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it has more than {_MOST_CHARACTERS} characters. Take smaller masks and regions' pictures.")
    return text


def _check_drawings(layout: dict) -> None:
    """Raises a ValueError if the masks and pictures in a layout's JSON would unpack to too much."""
    regions = layout.get("objects") if isinstance(layout, dict) else None
    drawings = (region.get(name) for region in regions or () if isinstance(region, dict) for name in ("mask", "image"))
    if sum(_pixels_of(drawing) for drawing in drawings if isinstance(drawing, str)) > _MOST_PIXELS:
        raise ValueError(f"its masks and regions' pictures have more than {_MOST_PIXELS} pixels. Take smaller ones.")


def _pixels_of(drawing: str) -> int:
    """Of a PNG in a data URL, by its header; 0 where it is none."""
    with suppress(ValueError, struct.error):
        header = base64.b64decode(drawing.partition(",")[2][:32])
        return math.prod(struct.unpack(">II", header[16:24]))
    return 0


def parameters(making: Making) -> str:
    """The text that AUTOMATIC1111's web UI and others write and read."""
    given, kind = making.arguments, making.scheduler["class"]
    steps = {
        "Steps": given.get("num_inference_steps"),
        "Sampler": _SAMPLERS.get(kind, kind.removesuffix("Scheduler")),
        "CFG scale": given.get("guidance_scale"),
        "Seed": making.own_seed,
        "Size": f"{given.get('width')}x{given.get('height')}",
        "Model": making.model,
        "Clip skip": given["clip_skip"] + 1 if "clip_skip" in given else None,
        **_hires(making),
        "Version": f"spacetime_attn {making.versions.get('spacetime_attn')}",
    }
    negative = given.get("negative_prompt")
    lines = [making.prompt, f"Negative prompt: {negative}" if negative else None]
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in steps.items() if value is not None))
    return "\n".join(line for line in lines if line is not None)


def _hires(making: Making) -> dict:
    """The second pass, as these tools call it."""
    passes = _passes(making)
    if not passes:
        return {}
    names = {"Denoising strength": "strength", "Hires upscale": "factor"}
    return {name: passes[0].get(ours) for name, ours in names.items()} | {"Hires upscaler": "Lanczos"}


def _passes(making: Making) -> list[dict]:
    """The passes after the first one, each as the arguments of [`upscale`]."""
    passes = making.arguments.get("upscale", [])
    if not isinstance(passes, list) or not all(isinstance(one, dict) for one in passes):
        raise ValueError(f"`upscale` has to be a list of objects, got {shortened(passes)}.")
    return passes


def _quoted(value) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(',:"\n') else text


def read_picture(path: str | os.PathLike) -> Making:
    """
    What a PNG that `save_picture`, the command or the page wrote was made from. The picture itself is not decoded.

    Raises:
        ValueError: There is no such file, or it is no such PNG; it is named with what is wrong.
    """
    name = repr(os.path.basename(path))
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info.get(CHUNK)
    except FileNotFoundError:
        raise ValueError(f"There is no picture {name}.") from None
    except Exception as error:  # Pillow has many kinds for broken files
        raise ValueError(f"{name} is no PNG that can be read ({type(error).__name__}: {error}).") from None
    if not isinstance(text, str):
        raise ValueError(f"{name} does not tell what it was made from: it is of another program, or was told not to.")
    try:
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(f"it has more than {_MOST_CHARACTERS} characters.")
        return Making.from_dict(json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"What {name} says of its making cannot be read: {error}") from None


def changes_since(making: Making) -> list[str]:
    """The versions, and the number of the CPU's threads, that are other ones now than when a picture was made."""
    import torch

    then, now = dict(making.versions), _versions()
    if making.device == "cpu" and making.threads:
        then["threads"], now["threads"] = making.threads, torch.get_num_threads()
    changed = (name for name in now if then.get(name) != now[name])
    return [f"made with {name} {shortened(then.get(name))}, now {now[name]}" for name in changed]


def check_again(making: Making, seed: int | None = None, weights: str | os.PathLike | None = None) -> None:
    """Raises a ValueError if `draw_again` could not, whatever the pipeline."""
    if making.lost:
        raise ValueError(f"The picture cannot be made again: it does not hold {', '.join(map(str, making.lost))}.")
    if seed is None and making.seed is None:
        raise ValueError("The picture cannot be made again: it has no seed. Give one, for a new picture like it.")
    kept = making.weights if isinstance(making.weights, dict) else None
    if kept is None and weights is not None:
        raise ValueError(f"The picture was made without a file of weights: leave {str(weights)!r} out.")
    if kept is not None and weights is None:
        raise ValueError(f"The picture was made with the weights in {kept.get('file')!r}: give that file, too.")
    if kept is not None and hashlib.sha256(Path(weights).read_bytes()).hexdigest() != kept.get("sha256"):
        raise ValueError(f"{str(weights)!r} holds other weights than those that the picture was made with.")


def draw_again(pipe, making: Making, seed: int | None = None, weights: str | os.PathLike | None = None):
    """
    Makes a picture again: bit for bit on the same machine, with the same model, versions and number of threads. All
    pictures of its call are drawn, for a batch of another size gives other bits.

    Args:
        pipe ([`SpaceTimeAttnPipeline`]): With the model that drew it; its scheduler and defaults may be others.
        making ([`Making`]): What it was made from.
        seed (`int`, *optional*): Another one, for one picture that is new.
        weights (`str` or `os.PathLike`, *optional*): The file of weights that it was made with.

    Returns:
        [`SpaceTimeAttnPipelineOutput`]: The picture is `images[making.number - 1]`, or the only one with a new `seed`.

    Raises:
        ValueError: Something is missing that the picture does not hold, or what it holds makes no sense.
    """
    import torch

    from .adapters import with_pictures
    from .processors.making import adapters_of
    from .processors.optimizer import WeightOptimizer

    check_again(making, seed, weights)
    if (here := adapters_of(pipe, [making.layout])) != making.adapters:
        raise ValueError(f"The picture was made with the adapters {making.adapters}, and the pipeline has {here}.")
    calls = [pipe.__call__, *([pipe.pipe.__call__] if hasattr(pipe, "pipe") else [])]
    known = {name for call in calls for name in inspect.signature(call).parameters} - _FIRST | {"upscale"}
    known = {name for name in known if not _NEVER_KEPT.search(name)}
    if unknown := [name for name in making.arguments if name not in known]:
        raise ValueError(f"The picture was made with the arguments {shortened(unknown)}, which the pipeline has not.")

    def generators(seeds, device: str | None = making.generator):
        if isinstance(seeds, list):
            return [generators(seed, device) for seed in seeds]
        try:
            return torch.Generator(device or "cpu").manual_seed(seeds)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"The picture's noise is of {shortened(device)}, not here: {error}") from None

    optimizer = making.optimize_weights and _made(WeightOptimizer, making.optimize_weights)
    seeds = making.seed if seed is None else [seed]
    passes = [one if seed is None else one | {"seed": seed} for one in _passes(making)]
    options = {name: value for name, value in making.arguments.items() if name != "upscale"}
    options |= {"num_images_per_prompt": making.pictures if seed is None else 1}
    options |= {name: tuple(options[name]) for name in _PAIRS if isinstance(options.get(name), list)}
    with _set_like(pipe, making), with_pictures(pipe, making.layout):
        output = pipe(
            making.prompt,
            layout=making.layout,
            generator=generators(seeds),
            weights=making.weights if weights is None else weights,
            **options | ({"optimize_weights": optimizer} if optimizer else {}),
        )
        for one in passes:
            output = _upscaled(pipe, output, one, generators)
        return output


@contextmanager
def _set_like(pipe, making: Making) -> Iterator[None]:
    """The pipeline with a making's scheduler and defaults."""
    from .processors.defaults import Defaults

    scheduler, defaults = pipe.scheduler, pipe.defaults
    wanted = _made(Defaults, making.defaults)
    pipe.scheduler = _scheduler(scheduler, making.scheduler["class"], making.scheduler["config"])
    _set_all(pipe, wanted)
    try:
        yield
    finally:
        pipe.scheduler = scheduler
        _set_all(pipe, defaults)


def _upscaled(pipe, output, given: dict, generators: Callable):
    """One of the passes after the first."""
    from .upscaling import upscale

    options = {name: value for name, value in given.items() if name not in ("seed", "generator")}
    try:
        return upscale(pipe, output, generator=generators(given.get("seed"), given.get("generator")), **options)
    except TypeError as error:
        raise ValueError(f"The picture holds no second pass that this release can draw: {error}") from None


def _set_all(pipe, defaults) -> None:
    for name, value in asdict(defaults).items():
        setattr(pipe, name, value)


def _scheduler(own, kind: str, config: dict):
    """The pipeline's own one where it is like that, else one of diffusers."""
    import diffusers

    if type(own).__name__ == kind and {**own.config, **config} == own.config:
        return own
    found = getattr(diffusers, kind, None)
    if not isinstance(found, type) or not issubclass(found, diffusers.SchedulerMixin):
        raise ValueError(f"The picture was made with the scheduler {shortened(kind)}, which diffusers does not have.")
    steps = config.get("num_train_timesteps", 1000)
    if not isinstance(steps, int) or not 1 <= steps <= _MOST_TRAIN_STEPS:
        raise ValueError(f"The scheduler's `num_train_timesteps` has to be a whole number in 1..{_MOST_TRAIN_STEPS}.")
    return _made(found, {name: config[name] for name in inspect.signature(found).parameters if name in config})


def _made(kind: Callable[..., _Made], values: dict) -> _Made:
    try:
        return kind(**values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"The picture holds no {kind.__name__} that this release can make: {error}") from None


def public_name(model: str | None) -> str | None:
    """A model's name without the folders of whoever drew with it."""
    if model is None or not (os.path.isabs(model) or os.path.exists(model)):
        return model
    return DEFAULT_MODEL if os.path.realpath(model) == os.path.realpath(default_model()) else Path(model).name


def _versions() -> dict[str, str]:
    return {"spacetime_attn": __version__, **{name: version(name) for name in _LIBRARIES}}


def _named(kind) -> str:
    return getattr(kind, "__name__", str(kind))
