"""What the text encoder has to answer beside what the UNet needs of it: what a caption puts where, in which colour."""

import torch
import torch.nn.functional as F
from torch import nn

from .scenes import SceneBatch
from .things import CATEGORIES, COLOURS


PALETTE = 1 + len(COLOURS)  # the first one is the icon's own


class SceneReader(nn.Module):
    """
    Reads a scene off the text encoder's last state: for each category whether it is there, its colour, and a Gaussian
    over its centre. It is there for training only: a text encoder that answers has understood "left of", sooner than
    from the noise in pictures.

    Args:
        width (`int`): Of the text encoder.
    """

    def __init__(self, width: int):
        super().__init__()
        self.projection = nn.Linear(width, len(CATEGORIES) * (1 + PALETTE + 3))

    def forward(self, states: torch.Tensor, scenes: SceneBatch) -> torch.Tensor:
        """
        The negative log-likelihood of each scene, shape (batch,). Colours and centres are asked of things that are
        there once.

        Args:
            states (tensor of shape (batch, width)): The text encoder's, at the captions' end.
            scenes ([`SceneBatch`]): What the captions describe.
        """
        answers = self.projection(states).float().unflatten(1, (len(CATEGORIES), -1))
        category = scenes.indices.div(PALETTE, rounding_mode="floor")  # (batch, objects); -1 for none
        shown = F.one_hot(category + 1, len(CATEGORIES) + 1)[..., 1:]  # (batch, objects, categories)
        count = shown.sum(1)
        presence = F.binary_cross_entropy_with_logits(answers[..., 0], (count > 0).float(), reduction="none").sum(1)
        owner = category.clamp(min=0)
        asked = (category >= 0) & (count.gather(1, owner) == 1)
        answers = answers[..., 1:].gather(1, owner[..., None].expand(-1, -1, answers.shape[2] - 1))
        colours, centres, log_scale = answers.split([PALETTE, 2, 1], dim=2)  # each of shape (batch, objects, ...)
        colour = F.cross_entropy(colours.mT, scenes.indices % PALETTE, reduction="none")
        distance = centres.sigmoid() - (scenes.boxes[..., :2] + scenes.boxes[..., 2:]) / 2
        log_scale = log_scale.clamp(-4, 1)
        gaussian = (0.5 * distance.square() * (-2 * log_scale).exp() + log_scale).sum(2)
        return presence + ((colour + gaussian) * asked).sum(1)
