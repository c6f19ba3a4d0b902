"""Schedules of weights that all prompts share: a curve over relative time for each number of objects."""

import json
from pathlib import Path

import torch

from spacetime_attn.processors.weights import resample


COUNTS = (2, 3, 4)  # the objects of a picture; fewer have the first's curve, more the last's
KNOTS = 10


def scheduled_weights(strengths: torch.Tensor, num_objects: int, num_steps: int) -> torch.Tensor:
    """
    Args:
        strengths (`torch.Tensor` of shape (counts, knots)): The objects' weights times their number.

    Returns:
        `torch.Tensor` of shape (num_objects, num_steps): The weights of one picture, differentiable in `strengths`.
    """
    row = min(max(num_objects, COUNTS[0]), COUNTS[-1]) - COUNTS[0]
    return resample(strengths[row : row + 1], num_steps).expand(num_objects, -1) / max(num_objects, 1)


def read_strengths(file: Path) -> torch.Tensor:
    """What `learn_schedule.py` wrote, shape (counts, knots)."""
    saved = json.loads(file.read_text(encoding="utf-8"))["strengths"]
    return torch.tensor([saved[str(count)] for count in COUNTS])
