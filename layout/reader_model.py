"""The reader's network: an encoder over the sub-words of a prompt, and what it says of mentions and pairs of them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from .vocabulary import ARRANGEMENTS, KINDS, OPPOSITES, PLACES, RELATIONS


# Tags of sub-words: outside, and for each label its first and its further sub-words. A later mention is none of the
# kinds: it has that of the thing it speaks of.
LABELS: tuple[str, ...] = (*KINDS, "later")
MOST_COUNTED = 12  # larger numbers are told as digits or not at all
# What an earlier mention may be to a later one: a relation, or the other way round where that has no name of its own.
ONE_WAY: tuple[str, ...] = tuple(name for name in RELATIONS if name not in OPPOSITES)
PAIR_CLASSES: tuple[str, ...] = ("none", *RELATIONS, *(f"{name}, reversed" for name in ONE_WAY))
# Links between an earlier and a later mention, each of which may hold or not.
LINKS: tuple[str, ...] = ("same", "owner", "owned", "group", "member")
_ZONES = 3  # of the text, as a mention parts it: before, in it, after
_MOST_GAP = 32  # mentions, or pairs of sub-words, between two mentions


@dataclass(frozen=True)
class ReaderConfig:
    """Sizes of a [`ReaderNetwork`]; those of the encoder are MiniLM-L6's (arXiv:2002.10957)."""

    vocabulary_size: int = 30522
    width: int = 384
    layers: int = 6
    heads: int = 12
    feed_forward: int = 1536
    max_tokens: int = 512
    pair_width: int = 256
    pair_heads: int = 4
    most_apart: int = 24  # mentions further from each other in the list are not related


class MentionScores(NamedTuple):
    """Logits; `mentions` counts those of one prompt in the order of the text."""

    counts: torch.Tensor  # (prompts, mentions, 1 + MOST_COUNTED): 0 where no number is told
    places: torch.Tensor  # (prompts, mentions, places): each may hold or not
    arrangements: torch.Tensor  # (prompts, mentions, 1 + arrangements): 0 for none
    relations: torch.Tensor  # (prompts, mentions, mentions, pair classes): of the earlier (row) to the later (column)
    links: torch.Tensor  # (prompts, mentions, mentions, links): the same


class _Layer(nn.Module):
    """A layer of BERT's encoder (arXiv:1810.04805), with its softmax written out: its backward is faster on CPUs."""

    def __init__(self, config: ReaderConfig):
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.qkv = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.norm_attended = nn.LayerNorm(width, eps=1e-12)
        self.inner = nn.Linear(width, config.feed_forward)
        self.outer = nn.Linear(config.feed_forward, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(states).chunk(3, dim=-1)
        )
        scores = query @ key.mT * query.shape[-1] ** -0.5 + mask
        heads = self.dropout(scores.softmax(-1).to(value.dtype)) @ value
        states = self.norm_attended(states + self.dropout(self.attended(heads.transpose(1, 2).flatten(2))))
        return self.norm(states + self.dropout(self.outer(F.gelu(self.inner(states)))))


class ReaderNetwork(nn.Module):
    """
    Reads a prompt in two steps: `encode` tags its sub-words, from which the mentions follow; `relate` says of each
    mention and each pair of them what the text states.

    Args:
        config ([`ReaderConfig`]): Sizes.
    """

    def __init__(self, config: ReaderConfig | None = None):
        super().__init__()
        self.config = config = config or ReaderConfig()
        width, pairs = config.width, config.pair_width
        self.words = nn.Embedding(config.vocabulary_size, width)
        self.positions = nn.Embedding(config.max_tokens, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.tags = nn.Linear(width, 1 + 2 * len(LABELS))

        self.labels = nn.Embedding(len(LABELS), width)
        self.mention = nn.Sequential(nn.Linear(4 * width, width), nn.GELU(), nn.LayerNorm(width))
        self.counts = nn.Linear(width, 1 + MOST_COUNTED)
        self.places = nn.Linear(width, len(PLACES))
        self.arrangements = nn.Linear(width, 1 + len(ARRANGEMENTS))

        self.earlier = nn.Linear(width, 2 * pairs)  # what is added up, and what asks for the words that tell
        self.later = nn.Linear(width, 2 * pairs)
        self.told = nn.Linear(width, 2 * pairs)  # keys and values of the words
        self.zones = nn.Parameter(torch.zeros(2, config.pair_heads, _ZONES))
        self.gaps = nn.Embedding(2 * _MOST_GAP, pairs)
        self.pair = nn.Sequential(
            nn.Linear(4 * pairs, pairs), nn.GELU(), nn.Dropout(0.1), nn.Linear(pairs, len(PAIR_CLASSES) + len(LINKS))
        )
        self.dropout = nn.Dropout(0.1)

    def encode(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            input_ids (`torch.Tensor` of shape (prompts, tokens), integer): Sub-words, padded with 0.

        Returns:
            States of shape (prompts, tokens, width) and logits of tags of shape (prompts, tokens, 1 + 2 labels).
        """
        states = self.norm(self.words(input_ids) + self.positions.weight[: input_ids.shape[1]])
        mask = torch.where(input_ids == 0, -1e4, 0.0)[:, None, None].to(states)
        states = self.dropout(states)
        for layer in self.layers:
            states = layer(states, mask)
        return states, self.tags(states)

    def relate(
        self, states: torch.Tensor, is_word: torch.Tensor, spans: torch.Tensor, labels: torch.Tensor
    ) -> MentionScores:
        """
        Args:
            states (`torch.Tensor` of shape (prompts, tokens, width)): Those of `encode`.
            is_word (`torch.Tensor` of shape (prompts, tokens), bool): What is no padding.
            spans (`torch.Tensor` of shape (prompts, mentions, 2), integer): First and last sub-word of each mention,
                in the order of the text; (0, 0) for padding.
            labels (`torch.Tensor` of shape (prompts, mentions), integer): Indices into `LABELS`.
        """
        tokens = torch.arange(states.shape[1], device=states.device)
        first, last = spans.unbind(-1)
        inside = ((tokens >= first[..., None]) & (tokens <= last[..., None])).to(states.dtype)
        mean = inside @ states / inside.sum(-1, keepdim=True)
        ends = [states.gather(1, place[..., None].expand(-1, -1, states.shape[-1])) for place in (first, last)]
        mentions = self.mention(torch.cat([mean, *ends, self.labels(labels).to(states.dtype)], dim=-1))
        scores = self._pairs(mentions, states, is_word, tokens, first, last)
        alone = (part(mentions) for part in (self.counts, self.places, self.arrangements))
        return MentionScores(*alone, *scores.split([len(PAIR_CLASSES), len(LINKS)], dim=-1))

    def _pairs(self, mentions, states, is_word, tokens, first, last) -> torch.Tensor:
        """Each earlier mention with each later one: both, how far apart they are, and the words that tell."""
        count = mentions.shape[1]
        row, column = torch.triu_indices(count, count, 1, device=mentions.device)
        near = column - row <= self.config.most_apart
        row, column = row[near], column[near]
        (earlier, asking), (later, asked) = (part(mentions).chunk(2, dim=-1) for part in (self.earlier, self.later))
        keys, values = self.told(states).chunk(2, dim=-1)
        asking, asked, keys, values = (
            part.unflatten(-1, (self.config.pair_heads, -1)).transpose(1, 2) for part in (asking, asked, keys, values)
        )
        scale = keys.shape[-1] ** -0.5
        # (prompts, heads, mentions, tokens)
        by_earlier = asking @ keys.mT * scale + self._by_zone(0, tokens, first, last)
        by_later = asked @ keys.mT * scale + self._by_zone(1, tokens, first, last)
        by_later = by_later.masked_fill(~is_word[:, None, None], -1e4)
        scores = by_earlier[:, :, row] + by_later[:, :, column]
        told = (scores.softmax(-1).to(values.dtype) @ values).transpose(1, 2).flatten(2)
        gap = ((first[:, column] - last[:, row]) // 2).clamp(0, _MOST_GAP - 1) + _MOST_GAP
        gaps = self.gaps((column - row).clamp(max=_MOST_GAP - 1)) + self.gaps(gap)
        earlier, later = earlier[:, row], later[:, column]
        pairs = self.pair(torch.cat([earlier + later + gaps, earlier * later, told, gaps.to(told.dtype)], dim=-1))
        result = pairs.new_zeros(len(mentions), count, count, pairs.shape[-1])
        result[..., 0] = 1  # what is too far apart, or in another order, has no relation
        result[:, row, column] = pairs
        return result

    def _by_zone(self, which: int, tokens, first, last) -> torch.Tensor:
        """What it adds to the score of each word that it stands before, in or after a mention."""
        zone = (tokens >= first[..., None]).long() + (tokens > last[..., None]).long()  # (prompts, mentions, tokens)
        return (F.one_hot(zone, _ZONES).to(self.zones.dtype) @ self.zones[which].mT).permute(0, 3, 1, 2)

    def save(self, folder: str | Path) -> None:
        """
        Writes `config.json`, `model.safetensors` and, for further training leaves them as they are, the words' vectors
        apart, in `words_model.safetensors`. Matrices are bytes: 127ths of each row's largest value.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n", encoding="utf-8")
        packed = _packed(self.state_dict())
        words = {name: packed.pop(name) for name in list(packed) if name.startswith("words")}
        save_file(packed, folder / "model.safetensors")
        save_file(words, folder / "words_model.safetensors")

    @classmethod
    def load(cls, folder: str | Path) -> "ReaderNetwork":
        """Reads what `save` wrote, ready to read prompts."""
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        with torch.random.fork_rng(devices=[]):  # so that nobody's random numbers depend on when it is loaded
            network = cls(ReaderConfig(**config))
        packed = load_file(Path(folder) / "model.safetensors")
        if (words := Path(folder) / "words_model.safetensors").exists():  # else they are in the other
            packed |= load_file(words)
        network.load_state_dict(_unpacked(packed), assign=True)
        return network.eval().requires_grad_(False)


_SCALE = ".scale"


def _packed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    packed = {}
    for name, weight in state.items():
        if weight.ndim < 2:
            packed[name] = weight.float().contiguous()
            continue
        scale = weight.float().abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        packed[name] = (weight.float() / scale).round().to(torch.int8)
        packed[name + _SCALE] = scale
    return packed


def _unpacked(packed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = [name for name in packed if not name.endswith(_SCALE)]
    return {name: packed[name].float() * packed.get(name + _SCALE, 1) for name in names}
