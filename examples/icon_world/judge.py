"""
The judge of icon world: finds the icons in a picture, with their categories and colours.

It is trained on renderings (see `train_judge.py`) and is part of no objective: it only measures.
"""

from collections.abc import Sequence

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from PIL import Image
from torch import nn
from torch.nn import functional as F

from .detection import Detection, keep_best


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3 x 3 convolutions around which the input passes."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(convolution(channels, channels), convolution(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class IconJudge(ModelMixin, ConfigMixin):
    """
    A fully convolutional detector: for each cell of a grid, how far each category has an object's centre there, how
    far the object's sides are from the cell, and its colour (objects as points, arXiv:1904.07850).

    Args:
        categories, colours (`Sequence[str]`): What it tells apart; things without a tint have the colour `None`.
        image_size (`int`): The side of the pictures in pixels, a multiple of 8; others are resized.
        threshold (`float`): Of the scores, 0..1.
    """

    @register_to_config
    def __init__(
        self, categories: Sequence[str], colours: Sequence[str], image_size: int = 96, threshold: float = 0.4
    ):
        super().__init__()
        self.conv_in = convolution(3, 24, 2)
        self.fine = nn.Sequential(convolution(24, 48, 2), Residual(48))
        self.coarse = nn.Sequential(convolution(48, 96, 2), Residual(96), Residual(96), convolution(96, 96))
        self.join = convolution(48 + 96, 80)
        self.maps = (len(categories), 4, 1 + len(colours))
        self.conv_out = nn.Conv2d(80, sum(self.maps), 1)
        nn.init.constant_(self.conv_out.bias[: len(categories)], -4.0)  # at first there is nothing anywhere

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        Args:
            pixels (`torch.Tensor` of shape (pictures, 3, image_size, image_size)): RGB in 0..1.

        Returns:
            Three maps on a grid of G = image_size / 4 cells a side: the logits of centres, shape (pictures,
            categories, G, G); the distances of the left, top, right and bottom side from the cell's centre, (pictures,
            4, G, G), in cells; the logits of colours, (pictures, 1 + colours, G, G), the first one for no tint.
        """
        fine = self.fine(self.conv_in(pixels * 2 - 1))
        coarse = F.interpolate(self.coarse(fine), size=fine.shape[-2:], mode="bilinear")
        maps = self.conv_out(self.join(torch.cat([fine, coarse], dim=1)))
        heat, sides, colours = maps.float().split(self.maps, dim=1)
        return heat, F.softplus(sides), colours

    @torch.no_grad()
    def detect(self, images: Sequence[Image.Image | np.ndarray]) -> list[list[Detection]]:
        """
        Args:
            images (`Sequence[PIL.Image.Image | np.ndarray]`): RGB pictures of any size; arrays are uint8 of shape
                (height, width, 3).

        Returns:
            `list[list[Detection]]`: What is in each picture, best first.
        """
        size = (self.config.image_size,) * 2
        pictures = [image if isinstance(image, Image.Image) else Image.fromarray(image) for image in images]
        resized = [image.convert("RGB").resize(size, Image.Resampling.BICUBIC) for image in pictures]
        pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(self.device, self.dtype) / 255
        heat, sides, colours = (maps.cpu() for maps in self(pixels))
        scores = heat.sigmoid()
        peaks = (scores == F.max_pool2d(scores, 3, 1, 1)) & (scores > self.config.threshold)
        found: list[list[Detection]] = [[] for _ in images]
        for picture, category, row, column in peaks.nonzero().tolist():
            colour = int(colours[picture, :, row, column].argmax())
            found[picture].append(
                Detection(
                    category=self.config.categories[category],
                    colour=self.config.colours[colour - 1] if colour else None,
                    box=_box(row, column, sides[picture, :, row, column].tolist(), heat.shape[-1]),
                    score=float(scores[picture, category, row, column]),
                )
            )
        return [keep_best(detections) for detections in found]


def _box(row: int, column: int, sides: list[float], cells: int) -> tuple[float, float, float, float]:
    """The box around a cell's centre in 0..1, clipped to the picture."""
    left, top, right, bottom = sides
    x, y = column + 0.5, row + 0.5
    return tuple(min(max(value / cells, 0.0), 1.0) for value in (x - left, y - top, x + right, y + bottom))
