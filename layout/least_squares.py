"""Least squares under linear inequalities: `least_move`."""

import numpy as np


_CONTRADICTION, _ROUNDING = 1e-5, 1e-12
ACCURACY = 1e-6  # of moves


def least_move(
    rows: np.ndarray, least: np.ndarray, multipliers: np.ndarray | None = None
) -> tuple[np.ndarray | None, np.ndarray]:
    """
    The shortest vector x with `rows @ x >= least`: problem LDP of Lawson and Hanson, Solving Least Squares Problems
    (1974), chapter 23.

    Args:
        rows (`np.ndarray` of shape (inequalities, variables)), least (`np.ndarray` of shape (inequalities,)):
            The inequalities.
        multipliers (`np.ndarray` of shape (inequalities,), *optional*): A guess, not negative.

    Returns:
        x and the multipliers of the inequalities; without any such x None, and what is not 0 in the multipliers marks
        inequalities that contradict each other.
    """
    gram = rows @ rows.T + np.outer(least, least) + _ROUNDING * np.eye(len(least))
    multipliers = _nonnegative_minimum(gram, least, np.zeros(len(least)) if multipliers is None else multipliers)
    move = rows.T @ multipliers / max(1 - least @ multipliers, _CONTRADICTION)
    if (rows @ move >= least - ACCURACY).all():
        return move, multipliers
    return None, np.where(multipliers > ACCURACY * multipliers.max(), multipliers, 0.0)


def _nonnegative_minimum(gram: np.ndarray, linear: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """The u >= 0 of lowest `u @ gram @ u / 2 - linear @ u`, by the same book's algorithm NNLS."""

    def minimum(active: np.ndarray) -> np.ndarray:
        chosen = np.flatnonzero(active)
        result = np.zeros(len(linear))
        result[chosen] = np.linalg.solve(gram[chosen][:, chosen], linear[chosen])
        return result

    active, barred = guess > 0, np.zeros(len(linear), dtype=bool)  # barred: cannot enter, for rounding alone
    while (solution := minimum(active))[active].min(initial=1) <= 0:
        active &= solution > 0
    for _ in range(3 * len(linear)):
        gradient = np.where(active | barred, 0.0, linear - gram @ solution)
        entering = int(gradient.argmax())
        if gradient[entering] <= _ROUNDING or 1 - linear @ solution <= _CONTRADICTION:
            break
        active[entering] = True
        trial = minimum(active)
        if trial[entering] <= 0:
            active[entering], barred[entering] = False, True
            continue
        barred[:] = False
        while trial[active].min() <= 0:
            blocking = np.flatnonzero(active & (trial <= 0))
            steps = solution[blocking] / np.maximum(solution[blocking] - trial[blocking], _ROUNDING)
            solution += steps.min() * (trial - solution)
            active[blocking[steps.argmin()]] = False
            solution[~active] = 0.0
            trial = minimum(active)
        solution = trial
    return solution
