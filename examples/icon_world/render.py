"""Sprites on backgrounds: whole batches of pictures at once, on any device."""

import torch
import torch.nn.functional as F


def compose(
    corners: torch.Tensor, sprites: torch.Tensor, indices: torch.Tensor, boxes: torch.Tensor, size: int
) -> torch.Tensor:
    """
    Draws pictures. Sprites are resampled by area, so that their edges are smooth and their boxes exact to a fraction
    of a pixel.

    Args:
        corners (tensor of shape (batch, 2, 2, 3)): The background's colours at the picture's corners (row, column,
            RGB), 0..1.
        sprites (tensor of shape (sprites, 4, height, width)): Premultiplied RGB and alpha, 0..1.
        indices (tensor of shape (batch, objects), integer): Each object's sprite; -1 for none. Later objects cover
            earlier ones.
        boxes (tensor of shape (batch, objects, 4)): `(x0, y0, x1, y1)` in units of the picture's side. What lies
            outside 0..1 is cut off.
        size (`int`): Pixels a side.

    Returns:
        Tensor of shape (batch, 3, size, size), 0..1.
    """
    pictures = F.interpolate(corners.permute(0, 3, 1, 2), (size, size), mode="bilinear", align_corners=True)
    for place in range(indices.shape[1]):
        x0, y0, x1, y1 = boxes[:, place].unbind(1)
        across = _coverage(x0, x1, sprites.shape[3], size)
        down = _coverage(y0, y1, sprites.shape[2], size) * (indices[:, place, None, None] >= 0)
        layer = down[:, None] @ sprites[indices[:, place].clamp(min=0)] @ across[:, None].mT
        pictures = pictures * (1 - layer[:, 3:]) + layer[:, :3]
    return pictures


def crop(pictures: torch.Tensor, windows: torch.Tensor, size: int) -> torch.Tensor:
    """
    Cuts one window out of each picture and scales it, bilinearly.

    Args:
        pictures (tensor of shape (batch, channels, height, width)): The pictures. Beyond their edges they go on as
            they end.
        windows (tensor of shape (batch, 4)): `(x0, y0, x1, y1)` in units of the picture's sides.
        size (`int`): Pixels a side.

    Returns:
        Tensor of shape (batch, channels, size, size).
    """
    x0, y0, x1, y1 = windows.unbind(1)
    zero = torch.zeros_like(x0)
    across = torch.stack([x1 - x0, zero, x0 + x1 - 1], dim=1)
    down = torch.stack([zero, y1 - y0, y0 + y1 - 1], dim=1)
    shape = (len(pictures), pictures.shape[1], size, size)
    grid = F.affine_grid(torch.stack([across, down], dim=1), shape, align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _coverage(start: torch.Tensor, end: torch.Tensor, texels: int, size: int) -> torch.Tensor:
    """
    How much of each pixel each texel covers when `texels` of them are spread from `start` to `end`.

    Returns:
        Tensor of shape (batch, size, texels), 0..1.
    """
    steps = torch.linspace(0, 1, texels + 1, device=start.device)
    edges = size * torch.lerp(start[:, None], end[:, None], steps)
    pixels = torch.arange(size, device=start.device)[:, None]
    within = (edges[:, None] - pixels).clamp(0, 1)
    return within[..., 1:] - within[..., :-1]
