"""A language model's layouts as it answers them, and as they are mended: for benchmark.py and evaluate.py."""

import os
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

from spacetime_attn import Layout, LLMLayoutPredictor
from spacetime_attn.layout.answers import AnswerReader


class AskedModel:
    """
    Asks a language model about each prompt once. It sees its mistakes and may answer again, as in
    [`LLMLayoutPredictor`]; the answer that counts there counts here.

    Args:
        model (`str` or `Callable`): See [`LLMLayoutPredictor`]. It is loaded at once.

    Raises:
        SystemExit: It cannot be loaded. The message says why.
    """

    def __init__(self, model: str | os.PathLike | Callable[[str], str]):
        self._predictor = LLMLayoutPredictor(model)
        try:
            self._predictor.load()
        except Exception as error:  # of whatever library
            sys.exit(f"The language model {model!r} cannot be loaded: {error}")
        self._pairs: dict[str, tuple[Layout, Layout]] = {}

    def answered(self, prompt: str) -> Layout:
        """The objects where the answer puts them; none where there is no answer that can be used."""
        return self._pair(prompt)[0]

    def mended(self, prompt: str) -> Layout:
        """The predictor's layout: what is wrong is put right, and what is not answered is placed by the rules."""
        return self._pair(prompt)[1]

    def shares(self, prompts: Iterable[str] | None = None) -> tuple[float, float]:
        """The shares of prompts (all so far) that are not answered, and of those whose answers are mended, 0..1."""
        pairs = [self._pair(prompt) for prompt in (self._pairs if prompts is None else prompts)]
        silent = [not answered.regions for answered, _ in pairs]
        changed = [bool(answered.regions) and _places(answered) != _places(mended) for answered, mended in pairs]
        return statistics.fmean(silent), statistics.fmean(changed)

    def _pair(self, prompt: str) -> tuple[Layout, Layout]:
        if prompt not in self._pairs:
            mended, answer = self._predictor.answered(prompt)
            nothing_expected = AnswerReader(replace(mended, relations=()), things=())
            answered = Layout(prompt=prompt) if answer is None else nothing_expected.read(answer)[0]
            self._pairs[prompt] = answered, mended
        return self._pairs[prompt]


def _places(layout: Layout) -> list[tuple]:
    return [(region.phrase, region.box) for region in layout.regions]
