"""The objects' local descriptions: checked, encoded, and brought together with their regions and weights."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ..layout.files import encodable
from .control import RegionalControl
from .defaults import Defaults
from .families import missing_text_parts
from .region_adapters import RegionAdapters, check_region_adapters, read_by_texts, text_adapters
from .region_images import region_images
from .unet import UNetDenoiser


def regional_control(
    denoiser: UNetDenoiser,
    layouts: Sequence,
    weights: Sequence[torch.Tensor],
    blend: str,
    template: str,
    defaults: Defaults,
    settings: Mapping[str, Any],
    max_sequence_length: int | None = None,
    adapter_layers: str = "all",
) -> RegionalControl:
    """
    Encodes the local descriptions of all layouts and brings them together with their regions and weights.

    Args:
        denoiser ([`UNetDenoiser`], or another family's): That of the pipeline whose text encoders read them.
        layouts (`Sequence[Layout]`): One for each prompt.
        weights (`Sequence[torch.Tensor]`): One matrix (objects, steps) for each.
        blend (`str`): `"guided"` or `"convex"`.
        template (`str`): Makes the local description of a phrase, which replaces the `{}`.
        defaults ([`Defaults`]): Their `depth_order`, and how they keep neighbours apart.
        settings, max_sequence_length: See [`UNetDenoiser.encode`].
        adapter_layers (`str`): Where the adapters act that regions name, see [`RegionAdapters`].

    Raises:
        ValueError: The pipeline has no text encoder, or cannot let an adapter act in a region.
    """
    if missing := missing_text_parts(denoiser.pipe.components):
        raise ValueError(
            f"Regions have local descriptions to be encoded, and the pipeline has no {missing}: load what is missing,"
            " or pass weights=0."
        )
    texts = [template.replace("{}", text) for layout in layouts for text in layout.local_texts]
    regions = _acting(layouts)
    negative_texts = [region and region.negative_prompt for region in regions]
    negated = [number for number, text in enumerate(negative_texts) if text is not None]
    steps = weights[0].shape[1]
    adapters = _named_adapters(denoiser, regions, adapter_layers)
    images = region_images(denoiser, {n: region for n, region in enumerate(regions) if region and region.image})
    contexts, negatives, context_masks, negative_masks = _encoded(
        denoiser,
        texts or [""],  # no text has no encoding
        [text or "" for text in negative_texts] if negated else None,
        adapters,
        settings,
        max_sequence_length,
    )
    rows, dtype = slice(len(texts)), denoiser.model.dtype
    return RegionalControl(
        contexts=contexts[rows].to(dtype),
        owners=[number for number, layout in enumerate(layouts) for _ in layout.local_texts],
        num_prompts=len(layouts),
        masks=lambda height, width, part=None: torch.from_numpy(
            np.concatenate([layout.local_masks(height, width, defaults.depth_order, part) for layout in layouts])
        ),
        weights=torch.cat(list(weights)),
        blend=blend,
        strengths=region_strengths(layouts, steps),
        negatives=negatives[negated].to(dtype) if negated else None,
        negated=negated,
        backgrounds=[number for number, region in enumerate(regions) if region is None],
        context_masks=None if context_masks is None else context_masks[rows],
        negative_masks=negative_masks[negated] if negated and negative_masks is not None else None,
        adapters=adapters,
        images=images,
        times=region_times(layouts, steps) if adapters or images else None,
        separations=defaults.separations(steps),
    )


def _encoded(
    denoiser: UNetDenoiser, texts: list[str], negatives: list[str] | None, adapters: RegionAdapters | None, *how
) -> tuple[torch.Tensor | None, ...]:
    """See [`UNetDenoiser.encode`]; each text is read under the adapters of its region that have a text part."""
    if adapters is None or not (reading := read_by_texts(denoiser.pipe, adapters.names)):
        return denoiser.encode(texts, negatives, *how)
    groups: dict[tuple, list[int]] = {}
    for number, strengths in enumerate(adapters.strengths):
        own = tuple(sorted((name, strength) for name, strength in strengths.items() if name in reading))
        groups.setdefault(own, []).append(number)
    parts, empty = [], []
    for strengths, numbers in groups.items():
        with text_adapters(denoiser.pipe, adapters.names, dict(strengths)):
            own_negatives = negatives and [negatives[number] for number in numbers]
            parts.append(denoiser.encode([texts[number] for number in numbers], own_negatives, *how))
            empty.append(denoiser.encode([""], negatives and [""], *how))
    length = max(part[0].shape[1] for part in parts)
    parts = [tuple(map(partial(_filled_up, length), *pair)) for pair in zip(parts, empty)]
    order = torch.tensor(sum(groups.values(), [])).argsort()
    return tuple(None if part[0] is None else torch.cat(part)[order.to(part[0].device)] for part in zip(*parts))


def _filled_up(length: int, contexts: torch.Tensor | None, empty: torch.Tensor | None) -> torch.Tensor | None:
    """Contexts (texts, tokens, channels) of so many tokens, with those of an empty text (1, ...) at the end."""
    if contexts is None:
        return None
    missing = (length - contexts.shape[1]) // empty.shape[1]
    return torch.cat([contexts, *[empty.expand(len(contexts), -1, -1)] * missing], dim=1)


def _named_adapters(denoiser: UNetDenoiser, regions: Sequence, adapter_layers: str) -> RegionAdapters | None:
    """The LoRA adapters that regions name; `None` where none does. See [`check_region_adapters`]."""
    asked = {name: region.phrase for region in regions if region for name in region.adapters or {}}
    if not asked:
        return None
    check_region_adapters(denoiser.pipe, denoiser.model, asked, adapter_layers)
    return RegionAdapters(tuple(region.adapters or {} if region else {} for region in regions), adapter_layers)


def region_times(layouts: Sequence, steps: int) -> torch.Tensor:
    """Whether each region acts at each step: 1 or 0, and 1 for backgrounds."""
    return _over_time(layouts, steps, lambda region: region.times(steps))


def region_strengths(layouts: Sequence, steps: int) -> torch.Tensor | None:
    """The factors on all weights at each step, with 1 for backgrounds; `None` where no region has any."""
    strengths = _over_time(layouts, steps, lambda region: region.strengths(steps))
    return None if (strengths == 1).all() else strengths


def _over_time(layouts: Sequence, steps: int, of_region: Callable[[Any], np.ndarray]) -> torch.Tensor:
    values = [of_region(region) if region else np.ones(steps) for region in _acting(layouts)]
    return torch.from_numpy(np.array(values, dtype=np.float32).reshape(len(values), steps))


def _acting(layouts: Sequence) -> list:
    """The regions of all layouts, with a `None` where a background has a description."""
    return [region for layout in layouts for region in (*layout.regions, *[None] * layout.has_background)]


def check_negatives(layouts: Sequence, guided: bool, how: str = "a `guidance_scale` above 1") -> None:
    """Raises a ValueError if a region has a negative prompt, and the run is not guided; it says how it would be."""
    for region in (region for layout in layouts for region in layout.regions):
        if region.negative_prompt is not None and not guided:
            raise ValueError(
                f"`negative_prompt` of {region.phrase!r} needs classifier-free guidance, which is off. Pass {how}, or"
                " leave it out of the layout."
            )


def checked_template(template: str) -> str:
    """A template with a place for the phrase, or a ValueError."""
    if not isinstance(template, str) or "{}" not in template:
        raise ValueError(f"`local_prompt_template` has to hold {{}} where the phrase goes, got {template!r}.")
    return encodable(template)
