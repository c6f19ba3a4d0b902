"""Ctrl-C while weights are optimised: the best so far is kept."""

import pytest
import torch

from spacetime_attn import WeightOptimizer


def minimise(interrupted: str, after: int, **options):
    """Weights are drawn as they are, and ten minus their sum is their distance; what is named is interrupted."""
    calls = dict.fromkeys(("draw", "decode", "measure", "report"), 0)

    def counted(name, function):
        def call(*arguments):
            calls[name] += 1
            if name == interrupted and calls[name] > after:
                raise KeyboardInterrupt
            return function(*arguments)

        return call

    functions = {
        "draw": lambda weights, noise: weights[None] + noise,
        "decode": lambda latents: latents,
        "measure": lambda images: 10 - images.sum((1, 2)),
        "report": lambda distances: None,
    }
    return WeightOptimizer(epochs=4, learning_rate=0.1, **options).minimise(
        torch.ones(1, 3), [0], "guided", *(counted(name, function) for name, function in functions.items())
    )


@pytest.mark.parametrize("noises", [1, 4])
@pytest.mark.parametrize("interrupted", ["draw", "decode", "measure", "report"])
def test_the_best_so_far_is_kept_and_said(noises, interrupted, caplog):
    result = minimise(interrupted, 2, noises=noises)
    assert result.loss_history.shape == (1, 2)
    assert result.loss_history[0, 1] < result.loss_history[0, 0]
    drawn = result.weights.sum() + 3 * result.noise
    torch.testing.assert_close(10 - drawn, result.loss_history.amin(1))
    assert caplog.messages == ["Interrupted: the best of what was tried is kept, 2 of 4."]


def test_the_best_noise_is_kept_where_its_weights_are_interrupted():
    result = minimise("draw", 2, noises=2)
    assert result.noise.tolist() == [1] and result.weights.tolist() == [[1.0] * 3]


@pytest.mark.parametrize("noises", [1, 4])
def test_what_is_interrupted_before_the_first_picture_ends_as_ever(noises):
    with pytest.raises(KeyboardInterrupt):
        minimise("measure", 0, noises=noises)
