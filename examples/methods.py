"""
The methods of the benchmark: each draws prompts on the very same checkpoint.

A configuration is a row of the table, as data: {"name": ..., "method": one of `METHODS`, ...options of the method}.
Methods that take boxes are run with the predicted layouts and with the true ones, which are rows of their own. Of
diffusers' own pipelines none takes boxes on a plain Stable Diffusion checkpoint: GLIGEN has trained layers of its own,
BoxDiff is no part of the package.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionAttendAndExcitePipeline, StableDiffusionPipeline
from PIL import Image

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer
from spacetime_attn.examples.metrics import split_phrase
from spacetime_attn.examples.schedules import read_strengths, scheduled_weights
from spacetime_attn.processors.clip_objective import ClipObjective, ImageTextModel


Draw = Callable[[list[dict], list[torch.Generator]], tuple[list[Image.Image], list[Layout | None]]]


class Plain:
    """diffusers' `StableDiffusionPipeline`."""

    takes_layouts = False

    def __init__(self, pipe: SpaceTimeAttnPipeline, sampling: dict[str, Any]):
        self.pipe = _from_pipe(StableDiffusionPipeline, pipe)
        self.sampling = sampling

    def __call__(self, prompts: list[dict], generators: list[torch.Generator]):
        output = self.pipe([record["prompt"] for record in prompts], generator=generators, **self.sampling)
        return output.images, [None] * len(prompts)


class AttendAndExcite:
    """
    diffusers' `StableDiffusionAttendAndExcitePipeline` (arXiv:2301.13826) on the objects' nouns.

    Its settings are those of diffusers for 50 steps, in proportion: it acts in the first half of the steps and refines
    at the beginning and after a fifth and two fifths of them. The attention maps are those at a quarter of the
    latents' size, which is 16 x 16 for Stable Diffusion 1.x, or the smallest of a UNet that has no such.
    """

    takes_layouts = False

    def __init__(self, pipe: SpaceTimeAttnPipeline, sampling: dict[str, Any]):
        self.pipe = _from_pipe(StableDiffusionAttendAndExcitePipeline, pipe)
        self.pipe.unet.requires_grad_(False)
        steps = sampling["num_inference_steps"]
        self.sampling = sampling | {
            "max_iter_to_alter": steps // 2,
            "thresholds": {0: 0.05, steps // 5: 0.5, 2 * steps // 5: 0.8},
        }

    def __call__(self, prompts: list[dict], generators: list[torch.Generator]):
        halvings = min(2, len(self.pipe.unet.config.block_out_channels) - 1)
        side = self.pipe.unet.config.sample_size // 2**halvings
        output = self.pipe(
            [record["prompt"] for record in prompts],
            token_indices=[object_tokens(self.pipe.tokenizer, record) for record in prompts],
            generator=generators,
            attn_res=(side, side),
            **self.sampling,
        )
        return output.images, [None] * len(prompts)


class SpaceTime:
    """
    Our pipeline with the checkpoint's defaults, or with other settings.

    Args:
        layouts (`str`): `"predicted"`, or `"true"` for the boxes of the prompt records.
        softness (`float`), start (`float`): Of all regions, see [`Region`].
        local_prompt_template (`str`, *optional*): See `SpaceTimeAttnPipeline.__call__`.
        optimizer (`dict`, *optional*): Settings of a [`WeightOptimizer`]; {} stands for its defaults.
        schedule (`str`, *optional*): A file of `learn_schedule.py` in the place of the default weights.
        defaults: The pipeline's own defaults to be replaced: `default_blend`, `guided_strength`, `region_shape`, ...
    """

    takes_layouts = True

    def __init__(
        self,
        pipe: SpaceTimeAttnPipeline,
        sampling: dict[str, Any],
        layouts: str = "predicted",
        softness: float = 0.0,
        start: float = 0.0,
        local_prompt_template: str | None = None,
        optimizer: dict | None = None,
        schedule: str | None = None,
        **defaults,
    ):
        if layouts == "true":  # which no scale is to be put right for
            defaults = {"box_scale": 1.0} | defaults
        self.pipe = _from_pipe(SpaceTimeAttnPipeline, pipe, **defaults)
        self.predictor = pipe.layout_predictor
        self.sampling = sampling
        self.layouts = layouts
        self.softness = softness
        self.start = start
        if local_prompt_template is not None:
            self.sampling = self.sampling | {"local_prompt_template": local_prompt_template}
        if optimizer is not None:
            self.sampling = self.sampling | {"optimize_weights": WeightOptimizer(**optimizer)}
        self.strengths = None if schedule is None else read_strengths(Path(schedule))

    def __call__(self, prompts: list[dict], generators: list[torch.Generator]):
        layouts = [self._layout(record) for record in prompts]
        texts = [record["prompt"] for record in prompts]
        weights = None
        if self.strengths is not None:
            steps = self.sampling["num_inference_steps"]
            weights = [scheduled_weights(self.strengths, len(layout), steps) for layout in layouts]
        output = self.pipe(texts, layout=layouts, weights=weights, generator=generators, **self.sampling)
        return output.images, output.layouts

    def _layout(self, record: dict) -> Layout:
        """The pipeline's own treatment of what is predicted, or of what is true."""

        def predict(prompt: str, aspect_ratio: float) -> Layout:
            true = self.layouts == "true"
            layout = true_layout(record) if true else self.predictor(prompt, aspect_ratio=aspect_ratio)
            regions = [replace(region, softness=self.softness, start=self.start) for region in layout.regions]
            return replace(layout, regions=tuple(regions))

        predict.for_any_checkpoint = True  # the pipeline fits the regions to its defaults
        self.pipe.layout_predictor = predict
        return self.pipe.predict_layout(record["prompt"])


class BestOf:
    """
    The best of several plain samples, as the objective of the optimisation judges them with the predicted layouts.

    Args:
        count (`int`): Samples of each prompt; the first one's noise is that of the other methods.
        local_factor (`float`): See [`ClipObjective`].
    """

    takes_layouts = False

    def __init__(self, pipe: SpaceTimeAttnPipeline, sampling: dict[str, Any], count: int, local_factor: float = 0.0):
        self.plain = Plain(pipe, sampling)
        self.predict = pipe.predict_layout
        self.clip = pipe.image_text_model()
        self.count, self.local_factor = count, local_factor

    def __call__(self, prompts: list[dict], generators: list[torch.Generator]):
        drawn = [self.plain(prompts, generators)[0] for _ in range(self.count)]
        best = []
        for record, candidates in zip(prompts, zip(*drawn)):
            regions = self.predict(record["prompt"]).regions
            distances = clip_distances(
                self.clip, record["prompt"], candidates, regions, local_factor=self.local_factor
            )
            best.append(candidates[distances.index(min(distances))])
        return best, [None] * len(prompts)


@torch.no_grad()
def clip_distances(
    clip: ImageTextModel,
    prompt: str,
    images: Sequence[Image.Image],
    regions: Sequence[Region] = (),
    window: Callable[[tuple[float, ...]], tuple[float, ...]] = lambda bounds: bounds,
    **options,
) -> list[float]:
    """
    How far several pictures are from their prompt.

    Args:
        regions (`Sequence[Region]`): Those of the objects.
        window (`Callable`): From a region's bounds to what is cropped for it.
        options: Of [`ClipObjective`].
    """
    texts = [f"a photo of {region.phrase}" for region in regions]
    windows = [window(region.bounds) for region in regions]
    objective = ClipObjective(clip, [prompt], texts, [0] * len(texts), windows, **options)
    return [objective(pil_to_tensor(image)).item() for image in images]


def pil_to_tensor(image: Image.Image) -> torch.Tensor:
    """A picture as (1, 3, height, width), 0..1."""
    return torch.from_numpy(np.asarray(image.convert("RGB"))).permute(2, 0, 1)[None] / 255


METHODS = {"plain": Plain, "attend_and_excite": AttendAndExcite, "spacetime": SpaceTime, "best_of": BestOf}


def expand(configurations: Sequence[dict], with_true_layouts: bool) -> list[dict]:
    """
    The rows of the table: methods that take layouts stand in one for predicted and one for true layouts, unless the
    configuration names its `layouts`.

    Raises:
        ValueError: An unknown method, a name that is missing or used twice.
    """
    rows = []
    for configuration in configurations:
        _check(configuration)
        if not METHODS[configuration["method"]].takes_layouts:
            rows.append(configuration)
            continue
        kinds = [configuration["layouts"]] if "layouts" in configuration else ["predicted", "true"]
        rows += [configuration | {"layouts": kind} for kind in kinds if kind == "predicted" or with_true_layouts]
    keys = [(row["name"], row.get("layouts")) for row in rows]
    if len(set(keys)) < len(keys):
        raise ValueError(f"Each configuration needs a name of its own, got {[name for name, _ in keys]}.")
    return rows


def build(row: dict, pipe: SpaceTimeAttnPipeline, sampling: dict[str, Any]) -> Draw:
    """
    The method of a row, ready to draw.

    Args:
        pipe ([`SpaceTimeAttnPipeline`]): The checkpoint; its components are shared by all rows.
        sampling (`dict`): What all rows have in common: `num_inference_steps`, `guidance_scale`, ...

    Raises:
        ValueError: An option that the method does not have.
    """
    options = {key: value for key, value in row.items() if key not in ("name", "method")}
    try:
        return METHODS[row["method"]](pipe, sampling, **options)
    except TypeError as error:
        raise ValueError(f"The configuration {row['name']!r} does not fit its method: {error}") from None


def true_layout(record: dict) -> Layout:
    """The "boxes" of a prompt record, each with its object's phrase as a prompt says it: "a red apple"."""
    phrases = [f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}" for phrase in record["objects"]]
    regions = [Region(phrase, box=box) for phrase, box in zip(phrases, record["boxes"], strict=True)]
    return Layout(tuple(regions), prompt=record["prompt"])


def object_tokens(tokenizer, record: dict) -> list[int]:
    """
    The positions of a prompt's object nouns among its tokens: for each object the last token of its noun.

    Nouns are sought in the prompt from left to right, also in their regular plural. Objects that the prompt does not
    name in their own words are left out.

    Raises:
        ValueError: None of the objects' nouns is in the prompt.
    """
    ids = tokenizer(record["prompt"], truncation=True).input_ids
    tokens: list[int] = []
    for phrase in record["objects"]:
        noun, _ = split_phrase(phrase)
        ends = [end for text in (noun, f"{noun}s", f"{noun}es") for end in _ends(ids, _word_ids(tokenizer, text))]
        tokens += [end for end in ends if end not in tokens][:1]
    if not tokens:
        raise ValueError(f"The prompt {record['prompt']!r} holds none of the nouns of {record['objects']}.")
    return tokens


def _word_ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def _ends(ids: list[int], part: list[int]) -> list[int]:
    """The positions in `ids` of the last element of each occurrence of `part`."""
    return [i + len(part) - 1 for i in range(len(ids) - len(part) + 1) if ids[i : i + len(part)] == part]


def _from_pipe(kind: type, pipe: SpaceTimeAttnPipeline, **options):
    """A pipeline of another kind or with other defaults on the same components."""
    made = kind.from_pipe(pipe, dtype=pipe.dtype, **options)
    made.set_progress_bar_config(disable=True)
    return made


def _check(configuration: dict) -> None:
    if not isinstance(configuration, dict) or not configuration.get("name"):
        raise ValueError(f'A configuration is an object with "name" and "method", got {configuration!r}.')
    name, method, layouts = (configuration.get(key) for key in ("name", "method", "layouts"))
    if method not in METHODS:
        raise ValueError(f"The method of {name!r} has to be one of {', '.join(METHODS)}, got {method!r}.")
    if layouts not in (None, "predicted", "true"):
        raise ValueError(f"`layouts` of {name!r} has to be 'predicted' or 'true', got {layouts!r}.")
