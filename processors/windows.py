"""Pictures larger than memory: a UNet evaluated window by window (MultiDiffusion, arXiv:2302.08113)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product

import torch

from .control import RegionalControl
from .replaced import replaced_method
from .unet import UNetDenoiser


_OF_THE_WHOLE = ("down_block_additional_residuals", "mid_block_additional_residual")
_OF_THE_WHOLE += ("down_intrablock_additional_residuals", "ip_adapter_masks")


@contextmanager
def in_windows(denoiser: UNetDenoiser, control: RegionalControl, size: tuple[int, int], stride: int) -> Iterator[None]:
    """
    Within a block of [`regional_attention`]: evaluates the UNet on windows of the latents that overlap, each under the
    part of the layout that it shows, and gives the mean of what they predict, by [`soft_window`]'s weights. So the
    UNet needs the memory of one window. What fits into one window is evaluated as a whole.

    Args:
        denoiser ([`UNetDenoiser`]): The one that is controlled.
        control ([`RegionalControl`]): By which.
        size (`tuple[int, int]`): Rows and columns of a window, in latents.
        stride (`int`): Latents from a window to the next at most, up to the least side of a window.

    Raises:
        ValueError: While a run is evaluated: residuals of a ControlNet or an adapter, or masks of an IP-Adapter, which
            are of the whole picture.
    """
    plain = denoiser.model.forward

    def forward(sample: torch.Tensor, timestep, *args, **options) -> tuple[torch.Tensor]:
        height, width = sample.shape[-2:]
        rows, columns = starts(height, size[0], stride), starts(width, size[1], stride)
        if len(rows) * len(columns) == 1 or control.thread.plain:
            return plain(sample, timestep, *args, **options)
        known = options | (options.get("cross_attention_kwargs") or {})
        if given := [name for name in _OF_THE_WHOLE if known.get(name) is not None]:
            raise ValueError(
                f"Windows do not go together with `{given[0]}`, of the whole picture: leave out `stride`."
            )
        total, weight = torch.zeros_like(sample, dtype=torch.float32), torch.zeros(height, width)
        for top, left in product(rows, columns):
            bottom, right = min(top + size[0], height), min(left + size[1], width)
            part = slice(top, bottom), slice(left, right)
            window, shown = sample[(..., *part)], (left / width, top / height, right / width, bottom / height)
            evaluation = denoiser.evaluation({"sample": window, "timestep": timestep})
            control.begin_step(control.column, replace(evaluation, part=shown))  # with the weights of the step
            noise = plain(window, timestep, *args, **options)[0]
            soft = soft_window(*window.shape[-2:])
            total[(..., *part)] += soft.to(total.device) * noise
            weight[part] += soft
        return ((total / weight.to(total.device)).to(sample.dtype),)

    with replaced_method(denoiser.model, "forward", forward):
        yield


def starts(length: int, size: int, stride: int) -> list[int]:
    """Where windows along one side begin: as far apart as each other, at most by the stride."""
    count = math.ceil(max(length - size, 0) / stride)
    return [round(number * (length - size) / count) for number in range(count + 1)] if count else [0]


def soft_window(height: int, width: int) -> torch.Tensor:
    """Weights of a window's pixels, (height, width): a pyramid, so that no window ends in a step."""
    rises = (torch.arange(1, side + 1).minimum(torch.arange(side, 0, -1)).float() for side in (height, width))
    return torch.outer(*rises)
