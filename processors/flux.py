"""FLUX.1, as regional control sees it."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor

from .control import Evaluation, RegionalControl
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
    guided_by = "a `negative_prompt` and a `true_cfg_scale` above 1"
    local_sequence_length = 128

    def __init__(self, pipe, texts: EncodedTexts | None = None):
        super().__init__(pipe, texts)
        self._negative: torch.Tensor | None = None  # prompt of the run, encoded
        self._grid: tuple[torch.Tensor | None, tuple[int, int]] = None, (0, 0)
        self._references = 0  # tokens of reference pictures beside the picture's

    @property
    def guided(self) -> bool:
        """Whether the run has a negative prompt."""
        return self._negative is not None

    def evaluation(self, arguments: dict[str, Any]) -> Evaluation:
        """See [`Denoiser.evaluation`]."""
        states, texts = arguments["hidden_states"], arguments["encoder_hidden_states"]
        if self.begins():
            self._negative = self._encoded_after(texts)
        passes = "unconditional" if texts is self._negative else "conditional"
        timestep = 1000 * arguments["timestep"]
        return Evaluation(len(states), (self._grid_of(arguments["img_ids"]),), states, passes, timestep=timestep)

    def _encoded_after(self, prompt: torch.Tensor) -> torch.Tensor | None:
        """What was encoded last, if that is not the prompt with which a run begins, but was encoded right after it."""
        embeds = [results[0] for _, results in self.texts.calls]
        return embeds[1] if len(embeds) == 2 and prompt is embeds[0] and prompt is not embeds[1] else None

    def _grid_of(self, positions: torch.Tensor) -> tuple[int, int]:
        """The rows and columns of the picture's tokens by their positions; once a run, for it waits for the GPU."""
        if self._grid[0] is not positions:
            numbers, _, columns = positions.view(-1, *positions.shape[-2:])[0].unbind(-1)
            own = columns[numbers == 0]
            rows = int((own == 0).sum())
            self._grid, self._references = (positions, (rows, len(own) // rows)), len(columns) - len(own)
        return self._grid[1]

    def check_run(self, control: RegionalControl) -> None:
        """See [`Denoiser.check_run`]."""
        super().check_run(control)
        if self._references:
            raise ValueError(
                f"{type(self.pipe).__name__} cannot be controlled: beside the picture's tokens, the transformer is"
                f" given {self._references} of reference pictures."
            )

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
