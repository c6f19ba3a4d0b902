"""The objects' local descriptions: checked, encoded, and brought together with their regions and weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..layout.files import encodable
from .control import RegionalControl
from .families import missing_text_parts
from .unet import UNetDenoiser


def regional_control(
    denoiser: UNetDenoiser,
    layouts: Sequence,
    weights: Sequence[torch.Tensor],
    blend: str,
    template: str,
    depth_order: bool,
    settings: Mapping[str, Any],
    max_sequence_length: int | None = None,
) -> RegionalControl:
    """
    Encodes the local descriptions of all layouts and brings them together with their regions and weights.

    Args:
        denoiser ([`UNetDenoiser`], or another family's): That of the pipeline whose text encoders read them.
        layouts (`Sequence[Layout]`): One for each prompt.
        weights (`Sequence[torch.Tensor]`): One matrix (objects, steps) for each.
        blend (`str`): `"guided"` or `"convex"`.
        template (`str`): Makes the local description of a phrase, which replaces the `{}`.
        depth_order (`bool`): Whether a region is weakened by what covers it, see [`Layout.local_masks`].
        settings, max_sequence_length: See [`UNetDenoiser.encode`].

    Raises:
        ValueError: The pipeline has no text encoder.
    """
    if missing := missing_text_parts(denoiser.pipe.components):
        raise ValueError(
            f"Regions have local descriptions to be encoded, and the pipeline has no {missing}: load what is missing,"
            " or pass weights=0."
        )
    texts = [template.replace("{}", text) for layout in layouts for text in layout.local_texts]
    regions = [region for layout in layouts for region in (*layout.regions, *[None] * layout.has_background)]
    negative_texts = [region and region.negative_prompt for region in regions]  # a background has none
    negated = [number for number, text in enumerate(negative_texts) if text is not None]
    contexts, negatives, context_masks, negative_masks = denoiser.encode(
        texts or [""],  # no text has no encoding
        [text or "" for text in negative_texts] if negated else None,
        settings,
        max_sequence_length,
    )
    rows, dtype = slice(len(texts)), denoiser.model.dtype
    return RegionalControl(
        contexts=contexts[rows].to(dtype),
        owners=[number for number, layout in enumerate(layouts) for _ in layout.local_texts],
        num_prompts=len(layouts),
        masks=lambda height, width: torch.from_numpy(
            np.concatenate([layout.local_masks(height, width, depth_order) for layout in layouts])
        ),
        weights=torch.cat(list(weights)),
        blend=blend,
        strengths=region_strengths(layouts, weights[0].shape[1]),
        negatives=negatives[negated].to(dtype) if negated else None,
        negated=negated,
        backgrounds=[number for number, region in enumerate(regions) if region is None],
        context_masks=None if context_masks is None else context_masks[rows],
        negative_masks=negative_masks[negated] if negated and negative_masks is not None else None,
    )


def region_strengths(layouts: Sequence, steps: int) -> torch.Tensor | None:
    """The factors on all weights at each step, with 1 for backgrounds; `None` where no region has any."""
    of_background = np.ones((1, steps), dtype=np.float32)
    strengths = np.concatenate(
        [part for layout in layouts for part in (layout.strengths(steps), of_background[: layout.has_background])]
    )
    return None if (strengths == 1).all() else torch.from_numpy(strengths)


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
