"""How work grows with what it is done on. No test asks for seconds, which a busy machine stretches."""

import time
import timeit
from collections.abc import Callable


def growth(work: Callable, small, large) -> float:
    """How many times as long `work(large)` takes as `work(small)`, in processor time; below 10 ms all are alike."""

    def seconds(given) -> float:
        return max(min(timeit.repeat(lambda: work(given), timer=time.process_time, repeat=3, number=1)), 0.01)

    return seconds(large) / seconds(small)
