"""The training loop that all stages share: resumable, on a budget of time, with an average of the weights."""

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from .muon import Muon


MUON_RATE, ADAM_RATE = 2e-3, 1e-3
WARM_UP = 50  # steps
SAVE_EVERY = 120  # seconds
EDGES = ("embedding", "conv_in", "conv_out", "quant_conv", "projection")  # layers that Muon is not for


class Trainer:
    """
    Trains a model until its budget is spent.

    The state is kept in one file, which the next call with the same file goes on from. The budget counts the time of
    all calls. The learning rate is constant for its first half and falls to zero in the second.

    Args:
        model (`nn.Module`): What is trained, on its device; only parameters that require gradients are.
        state_file (`Path`): Where the state is kept.
        minutes (`float`): The budget.
        max_steps (`int`, *optional*): A budget in steps beside it; whichever is spent first.
        edges (`Sequence[str]`): Parts of the names of weights that Muon is not for.
    """

    def __init__(
        self,
        model: nn.Module,
        state_file: Path,
        minutes: float,
        max_steps: int | None = None,
        edges: Sequence[str] = EDGES,
    ):
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False).eval()
        self.state_file = state_file
        self.minutes = minutes
        self.max_steps = max_steps or math.inf
        self.step = 0
        self.seconds = 0.0
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._averages = [a for a, w in zip(self.average.parameters(), model.parameters()) if w.requires_grad]
        self._optimizers = _optimizers(model, edges)
        if state_file.exists():
            self._load()

    @property
    def progress(self) -> float:
        """The part of the budget that is spent, 0..1."""
        return min(1.0, max(self.seconds / (60 * self.minutes), self.step / self.max_steps))

    def run(
        self,
        batches: Iterable,
        loss_of: Callable[[tuple], torch.Tensor],
        deadline: float = math.inf,
        when_saved: Callable[[], None] = lambda: None,
    ) -> bool:
        """
        Trains.

        Args:
            batches: Without end; the first one is asked for only if there is something to do.
            loss_of: Takes a batch and gives the loss, a scalar. It is called under autocast to bfloat16.
            deadline (`float`): Of `time.monotonic()`; when it has passed, the training pauses.
            when_saved: Called each time the state has been saved. Its time counts, too.

        Returns:
            Whether the budget is spent.
        """
        if self.progress == 1:
            return True
        bar = tqdm(initial=self.step, unit="step", desc=self.state_file.stem, mininterval=5)
        last_loss, last_save = math.nan, time.monotonic()
        before = last_save - self.seconds
        for batch in batches:
            loss = self._train_on(batch, loss_of)
            if self.step % 20 == 0 or self.progress == 1:
                last_loss = loss.item()  # waits for the device, so that the clock is right
                bar.set_postfix(loss=f"{last_loss:.4f}", done=f"{self.progress:.1%}", refresh=False)
            bar.update()
            now = time.monotonic()
            self.seconds = now - before
            if self.progress == 1 or now > deadline:
                break
            if now - last_save > SAVE_EVERY:
                self._save()
                when_saved()
                last_save = now
        bar.close()
        self._save()
        when_saved()
        return self.progress == 1

    def _train_on(self, batch: tuple, loss_of: Callable[[tuple], torch.Tensor]) -> torch.Tensor:
        device = self._weights[0].device
        factor = min(1, (self.step + 1) / WARM_UP) * max(0.01, min(1, 2 * (1 - self.progress)))
        for optimizer, rate in zip(self._optimizers, (MUON_RATE, ADAM_RATE)):
            for group in optimizer.param_groups:
                group["lr"] = factor * rate
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss = loss_of(_to(batch, device))
        loss.backward()
        nn.utils.clip_grad_norm_(self._optimizers[1].param_groups[0]["params"], 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
        self.step += 1
        # The power-function average of Karras et al. 2024: always over about the last 6 % of the steps.
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._weights, 1 - (1 - 1 / self.step) ** 17)
        return loss.detach()

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.state_file.with_suffix(".writing")
        torch.save(state, temporary)
        os.replace(temporary, self.state_file)

    def _load(self) -> None:
        state = torch.load(self.state_file, map_location=self._weights[0].device)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]


def _optimizers(model: nn.Module, edges: Sequence[str]) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for the matrices and convolutions inside, AdamW for the rest."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    inner = [weight for name, weight in named if weight.ndim > 1 and not any(edge in name for edge in edges)]
    chosen = set(map(id, inner))
    rest = [weight for _, weight in named if id(weight) not in chosen]
    return Muon(inner, MUON_RATE), torch.optim.AdamW(rest, ADAM_RATE, betas=(0.9, 0.98), weight_decay=1e-3)


def _to(batch, device: torch.device):
    """A (named) tuple of tensors and such tuples, on a device."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    return type(batch)(*(_to(part, device) for part in batch))
