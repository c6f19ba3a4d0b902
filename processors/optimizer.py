"""Weights over time, optimised for one prompt: the temporal half of arXiv:2304.03869."""

import logging
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from .adjoint import pull_back
from .checks import check_choice, check_range


_optimizer_logger = logging.getLogger(__name__)

OFFICIAL_HALF_WIDTH = 0.2  # of the crops, in units of the picture's sides


@dataclass(frozen=True)
class WeightOptimizer:
    """
    How to optimise the noise and the combination weights of a picture, so that CLIP sees in it what the prompt says.

    Args:
        epochs (`int`): Pictures that are tried. After those of the noises, one step of Adam lies before each.
        noises (`int`, *optional*): How many of them start from noise of their own, with the given weights and without
            a gradient; the weights are then optimised for the best of these. By default all, which on icon world does
            most for its time, so that the weights stay as they are; and where the noise is given, one.
        learning_rate (`float`): The length of a step, in units of the weights (guided) or of their logits (convex).
        basis (`int`, *optional*): Each object's weight changes over time as a sum of this many cosines, the first of
            which is a constant. Without it every step has a weight of its own.
        local_factor (`float`): What the objects count for beside the whole prompt; nothing by default.
        keep (`str`): Which weights are the result: `"best"`, those of the least distance, or `"last"`.
        patience (`int`): After how many steps without a better picture it stops, where the best weights are kept.
        clip (`str` or [`ImageTextModel`], *optional*): The model that judges, by id, folder or instance; by default
            the checkpoint's.
        recompute_layers (`bool`): Whether layers inside one UNet evaluation are recomputed: less memory where the UNet
            takes more of it than the VAE, and more time.
        detach_latents (`bool`): Takes each step's latents as given: cheaper, and not the exact gradient.
        official (`bool`): The official code's crops and preparation of pixels; see [`WeightOptimizer.paper`].
    """

    epochs: int = 6
    noises: int | None = None
    learning_rate: float = 0.3
    basis: int | None = None
    local_factor: float = 0.0
    keep: str = "best"
    patience: int = 3
    clip: object = None
    recompute_layers: bool = False
    detach_latents: bool = False
    official: bool = False

    def __post_init__(self):
        check_choice("keep", self.keep, ("best", "last"))
        check_range("learning_rate", self.learning_rate, 0)
        check_range("local_factor", self.local_factor, 0)
        is_name = self.clip is None or isinstance(self.clip, (str, os.PathLike))
        if not is_name and not hasattr(self.clip, "image_features"):
            raise TypeError(f"`clip` has to be an id, a folder or an ImageTextModel, got {self.clip!r}.")
        for name in ("epochs", "noises", "patience", "basis"):
            value, may_be_none = getattr(self, name), name in ("noises", "basis")
            if not (may_be_none and value is None) and not (type(value) is int and value >= 1):
                raise ValueError(f"`{name}` has to be a whole number from 1, got {value!r}.")
        if self.num_noises > self.epochs:
            raise ValueError(f"`noises` is {self.noises}, but only {self.epochs} `epochs` are tried.")

    @classmethod
    def paper(cls, **changes) -> "WeightOptimizer":
        """The official code's settings: three pictures, Adam with 0.005, squares of half-width 0.2, the last kept."""
        official = cls(epochs=3, noises=1, learning_rate=0.005, local_factor=5.0, keep="last", official=True)
        return replace(official, **changes)

    @classmethod
    def coerce(cls, value) -> "WeightOptimizer":
        """
        A number of epochs, or an optimiser.

        Raises:
            TypeError, ValueError: Neither.
        """
        if hasattr(value, "minimise"):  # also of another copy of this module
            return value
        if type(value) is not int:
            raise TypeError(f"`optimize_weights` has to be a number of pictures or a WeightOptimizer, got {value!r}.")
        return cls(epochs=value)

    @property
    def num_noises(self) -> int:
        """How many noises are tried."""
        return self.epochs if self.noises is None else self.noises

    def from_given_noise(self) -> "WeightOptimizer":
        """The same where the noise is given: no choice among `noises` that were asked for, but as many steps."""
        spared = 0 if self.noises is None else self.noises - 1
        return replace(self, epochs=self.epochs - spared, noises=1)

    @property
    def passes(self) -> int:
        """How often the steps of a run are gone through, forth or back."""
        steps = self.epochs - self.num_noises  # of Adam
        return self.num_noises + 2 * steps + (1 if steps and self.num_noises > 1 else 0)

    def local_text(self, phrase: str, description: str, template: str) -> str:
        """What an object's crop is compared with."""
        if self.official:
            return "A photo of " + phrase.lower().replace("the ", "")
        return template.replace("{}", description)

    def window(self, centre: tuple[float, float], bounds: tuple[float, float, float, float]) -> tuple[float, ...]:
        """What is cropped of an object whose region has this centre and these bounds, all in 0..1."""
        if not self.official:
            return bounds
        x, y = centre
        return x - OFFICIAL_HALF_WIDTH, y - OFFICIAL_HALF_WIDTH, x + OFFICIAL_HALF_WIDTH, y + OFFICIAL_HALF_WIDTH

    def minimise(
        self,
        start: torch.Tensor,
        owners: Sequence[int],
        blend: str,
        draw: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        decode: Callable[[torch.Tensor], torch.Tensor],
        measure: Callable[[torch.Tensor], torch.Tensor],
        report: Callable[[torch.Tensor], bool | None] = lambda distances: None,
    ) -> "OptimizedWeights":
        """
        Args:
            start (`torch.Tensor` of shape (objects, steps)): The first picture's weights, all pictures' objects
                numbered through.
            owners (`Sequence[int]`): The picture of each object.
            blend (`str`): `"guided"` or `"convex"`, whose weights stay in 0..1.
            draw (`Callable`): Weights and the number of each picture's noise (pictures,), or one for all, to final
                latents (pictures, ...), differentiable in the weights.
            decode (`Callable`): Latents to images, differentiable.
            measure (`Callable`): Images to distances (pictures,), differentiable.
            report (`Callable`): Told the distances of each epoch; ends the optimisation by returning `True`, which
                also says that these pictures are unfinished and do not count, unless there are no others.

        Raises:
            KeyboardInterrupt: Before there was any picture. Later it ends the optimisation, with a warning.
        """
        found: deque[OptimizedWeights] = deque(maxlen=1)
        try:
            found.extend(self._pictures(start.detach().float(), owners, blend, draw, decode, measure, report))
        except KeyboardInterrupt:
            if not found:
                raise
            tried = found[0].loss_history.shape[1]
            _optimizer_logger.warning("Interrupted: the best of what was tried is kept, %d of %d.", tried, self.epochs)
        return found[0]

    def _pictures(self, start, owners, blend, draw, decode, measure, report) -> Iterator["OptimizedWeights"]:
        """What has been found after each picture."""
        owners = torch.tensor(owners, dtype=torch.long)
        history: list[torch.Tensor] = []
        least, noise = torch.tensor(math.inf), torch.tensor(0)
        for number in range(self.num_noises if self.num_noises > 1 else 0):
            with torch.no_grad():
                distances = measure(decode(draw(start, torch.tensor(number))).float()).cpu()
            stopped = report(distances)
            if stopped and history:
                return
            history.append(distances)
            least, noise = _comparable(torch.stack(history)).min(dim=0)
            yield _found(start, noise, history)
            if stopped:
                return
        shapes = cosines(self.basis, start.shape[1]) if self.basis else torch.eye(start.shape[1])
        coefficients = torch.zeros(len(start), len(shapes), requires_grad=True)
        adam = torch.optim.Adam([coefficients], lr=self.learning_rate)
        best, since_best, known = start, 0, bool(history)
        while len(history) < self.epochs:
            weights = _weights(start, coefficients @ shapes, blend)
            latents = draw(weights, noise)
            distances, gradient = distances_and_gradient(latents, decode, measure)
            if not known:
                stopped = report(distances)
                if stopped and history:
                    return
                comparable = _comparable(distances)
                better, least = comparable < least, comparable.minimum(least)
                chosen = better if self.keep == "best" else torch.ones_like(better)
                best = torch.where(chosen[owners, None], weights.detach(), best)
                since_best = 0 if better.any() else since_best + 1
                history.append(distances)
                yield _found(best, noise, history)
                if stopped or self.keep == "best" and since_best == self.patience:
                    return
            known = False  # the best of the noises was drawn once more for its gradient
            if len(history) < self.epochs:
                [coefficients.grad] = pull_back(latents, [coefficients], gradient)
                adam.step()


class OptimizedWeights(NamedTuple):
    """
    The result.

    Args:
        weights (`torch.Tensor` of shape (objects, steps)): The weights.
        noise (`torch.Tensor` of shape (pictures,)): The number of each picture's noise.
        loss_history (`torch.Tensor` of shape (pictures, epochs)): The distance of every picture that was tried.
    """

    weights: torch.Tensor
    noise: torch.Tensor
    loss_history: torch.Tensor


def _found(weights: torch.Tensor, noise: torch.Tensor, history: Sequence[torch.Tensor]) -> OptimizedWeights:
    return OptimizedWeights(weights, noise.expand(len(history[0])), torch.stack(tuple(history), dim=1))


def cosines(count: int, steps: int) -> torch.Tensor:
    """The first functions of the discrete cosine transform, from the constant on: shape (count, steps), -1..1."""
    time = (torch.arange(steps) + 0.5) / steps
    return torch.cos(math.pi * torch.arange(count)[:, None] * time)


def _weights(start: torch.Tensor, change: torch.Tensor, blend: str) -> torch.Tensor:
    """Guided weights are changed as they are, convex ones through their logits, so that they stay in 0..1."""
    if blend == "guided":
        return start + change
    logits = torch.logit(start, eps=1e-3)
    return (start + torch.sigmoid(logits + change) - torch.sigmoid(logits)).clamp(0, 1)


def _comparable(distances: torch.Tensor) -> torch.Tensor:
    """Distances of which none is NaN: pictures that have no distance are the worst."""
    return distances.nan_to_num(nan=math.inf, posinf=math.inf)


def distances_and_gradient(
    latents: torch.Tensor, decode: Callable, measure: Callable
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each picture's distance, on the CPU, and its gradient with respect to the latents."""
    latents = latents.detach().requires_grad_()
    images = decode(latents)
    pixels = images.detach().float().requires_grad_()
    distances = measure(pixels)
    [gradient] = pull_back(distances, [pixels], torch.ones_like(distances))
    [gradient] = pull_back(images, [latents], gradient)
    return distances.detach().cpu(), gradient
