"""FLUX.1, as regional control sees it."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor

from .control import Evaluation
from .denoiser import EncodedTexts
from .joint_attention import JointDenoiser


class FluxDenoiser(JointDenoiser):
    """
    The texts come first. Its guidance is distilled; with `true_cfg_scale` and a negative prompt, that is evaluated by
    itself after the prompt.
    """

    kind = "FLUX.1"
    models = (FluxTransformer2DModel,)
    processors = (FluxAttnProcessor,)
    in_halves = False
    local_sequence_length = 128

    def __init__(self, pipe, texts: EncodedTexts | None = None):
        super().__init__(pipe, texts)
        self._first: torch.Tensor | None = None  # the texts that the run was first evaluated with
        self._grid: tuple[torch.Tensor | None, tuple[int, int]] = None, (0, 0)

    @property
    def guided(self) -> bool:
        """Whether the last text that was encoded is a negative prompt: the run began with the one before."""
        embeds = [results[0] for _, results in self.texts.calls]
        return len(embeds) == 2 and self._first is embeds[0] and self._first is not embeds[1]

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """See [`Denoiser.evaluation`]."""
        states, texts = arguments["hidden_states"], arguments["encoder_hidden_states"]
        if self.texts.new:
            self._first, self.texts.new = texts, False
        negative = self.guided and texts is self.texts.calls[-1][1][0]
        passes = "unconditional" if negative else "conditional"
        timestep = 1000 * arguments["timestep"]
        return Evaluation(len(states), (self._grid_of(arguments["img_ids"]),), states, passes, timestep=timestep)

    def _grid_of(self, positions: torch.Tensor) -> tuple[int, int]:
        """The rows and columns of the picture's tokens by their positions; once a run, for it waits for the GPU."""
        if self._grid[0] is not positions:
            *_, row, column = positions[-1].flatten().tolist()
            rows, columns = int(row) + 1, int(column) + 1
            if rows * columns != positions.shape[-2]:
                raise ValueError(
                    f"{type(self.pipe).__name__} cannot be controlled: beside the {rows} x {columns} tokens of the"
                    f" picture there are {positions.shape[-2] - rows * columns} others."
                )
            self._grid = positions, (rows, columns)
        return self._grid[1]

    def encode(
        self,
        texts: list[str],
        negative_texts: list[str] | None,
        settings: Mapping[str, Any],
        max_sequence_length: int | None,
    ) -> tuple[torch.Tensor | None, ...]:
        """See [`Denoiser.encode`]."""
        length = self.local_length(max_sequence_length, settings.get("max_sequence_length"))
        device, own = self.pipe._execution_device, settings | {"max_sequence_length": length}
        contexts, negatives = (
            None if some is None else self.encode_prompt(some, device=device, **own)[0]
            for some in (texts, negative_texts)
        )
        return contexts, negatives, None, None
