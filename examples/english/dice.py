"""Where all the choices in a caption come from."""

import random
from collections.abc import Callable, Sequence


class Dice:
    """Seeded choices, and the style that the whole of one caption keeps to.

    Attributes:
        bare: telegraphic, without determiners: "cat on mat".
        past: verbs in the past tense.
    """

    def __init__(self, seed: int):
        self._random = random.Random(seed)
        self.bare = False
        self.past = False

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self._random.random() < probability

    def roll(self) -> float:
        """A number in 0..1."""
        return self._random.random()

    def pick(self, options: Sequence):
        """One of the options, all equally likely."""
        return self._random.choice(options)

    def sample(self, options: Sequence, count: int) -> list:
        """Different ones of the options."""
        return self._random.sample(options, count)

    def one_of(self, table: Sequence[tuple[int, Callable]]) -> Callable:
        """One maker of a table of (weight, maker)."""
        weights, makers = zip(*table)
        return self._random.choices(makers, weights)[0]
