"""Separation: in self-attention, places inside one region attend less to places inside another."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Separation:
    """
    What is added to the logits of self-attention in one layer at this step: `query @ key^T`. It is kept as these two
    thin factors, for the whole of it has tokens x tokens numbers.

    Args:
        query, key (`torch.Tensor` of shape (rows, tokens, channels)): For each row of the batch.
    """

    query: torch.Tensor
    key: torch.Tensor

    @property
    def bias(self) -> torch.Tensor:
        """The whole of it, (rows, tokens, tokens)."""
        return self.query @ self.key.transpose(1, 2)


def memberships(masks: Sequence[torch.Tensor]) -> torch.Tensor:
    """
    To which regions the places of each picture belong, so that products of two places tell how far they are apart.

    With m(x) the values of a picture's regions at a place x, a(x) = max_i m_i(x), and n(x) = m(x) / |m(x)|, the logit
    of a query at q and a key at k falls by a strength s times

        a(q) a(k) (1 - n(q) . n(k))

    This is 1 between two regions. It is 0 within a region, from a place to itself, and wherever no region is, for a
    border in the background would be seen as a seam. Between a place that lies in two regions and one in the first of
    them alone it is 1 - 1 / sqrt(2). (Bounded Attention, arXiv:2403.16990, forbids what is weakened here.)

    Args:
        masks (`Sequence[torch.Tensor]` of shape (N_i, tokens)): The regions of each picture, in 0..1.

    Returns:
        `torch.Tensor` of shape (pictures, tokens, 1 + N): a, and a n; N is the largest N_i.
    """
    parts = []
    for regions in masks:
        cover = regions.amax(dim=0) if len(regions) else regions.new_zeros(regions.shape[1])
        parts.append(torch.cat([cover[None], cover * F.normalize(regions, dim=0)]))
    return pad_sequence(parts, batch_first=True).transpose(1, 2)


def separated(members: torch.Tensor, strength: float) -> Separation:
    """What keeps places with these `memberships`, (rows, tokens, 1 + N), apart."""
    cover, shares = members[..., :1], members[..., 1:]
    return Separation(strength * torch.cat([-cover, shares], dim=-1), members)
