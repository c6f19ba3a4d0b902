"""
One schedule of weights for everyone, learned across many prompts by the exact gradient of CLIP's distance:

    python examples/learn_schedule.py --output runs/schedule.json

The schedule is a curve over relative time, 0..1, for each number of objects, and begins as the checkpoint's own. Every
batch of icon world's training prompts, with noise of its own, gives one step of Adam. The file is written after every
batch, and a second start goes on from there. `evaluate.py` draws with it where a configuration says so
(`schedule: runs/schedule.json`).
"""

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from spacetime_attn import WeightOptimizer, default_model
from spacetime_attn.examples.evaluate import load_pipeline, write_json
from spacetime_attn.examples.icon_world.prompts import prompts
from spacetime_attn.examples.schedules import COUNTS, KNOTS, read_strengths, scheduled_weights
from spacetime_attn.processors.adjoint import pull_back
from spacetime_attn.processors.optimizer import OptimizedWeights, distances_and_gradient
from spacetime_attn.processors.weights import resample


class Schedule:
    """
    What is learned: `strengths` (counts, knots), which are the weights times the number of objects.

    Args:
        file (`Path`): Where it is kept, as JSON.
        learning_rate (`float`): Of Adam; it falls in a straight line to zero at the last of `batches`.
    """

    def __init__(self, file: Path, learning_rate: float, batches: int):
        self.file, self.learning_rate, self.batches = file, learning_rate, batches
        self.strengths = torch.zeros(len(COUNTS), KNOTS, requires_grad=True)
        self.adam = torch.optim.Adam([self.strengths], betas=(0.9, 0.99))
        self.distances: list[float] = []
        if file.exists():
            self.strengths.data[:] = read_strengths(file)
            self.distances = json.loads(file.read_text(encoding="utf-8"))["distances"]
            self.adam.load_state_dict(torch.load(file.with_suffix(".adam")))

    def begin(self, strengths: torch.Tensor) -> None:
        """Starts every count with this curve (steps,)."""
        self.strengths.data[:] = resample(strengths[None], KNOTS)

    def save(self) -> None:
        """Writes the file, and Adam's state beside it."""
        torch.save(self.adam.state_dict(), self.file.with_suffix(".adam"))
        strengths = dict(zip(map(str, COUNTS), self.strengths.tolist()))
        write_json(self.file, {"strengths": strengths, "distances": self.distances})

    def step(self, gradient: torch.Tensor, distance: float) -> None:
        """Follows a batch's gradient; no strength falls below 0."""
        self.distances.append(distance)
        for group in self.adam.param_groups:
            group["lr"] = self.learning_rate * (1 - len(self.distances) / (self.batches + 1))
        self.strengths.grad = gradient
        self.adam.step()
        self.strengths.data.clamp_(min=0)


@dataclass(frozen=True)
class ScheduleStep(WeightOptimizer):
    """In the place of an optimisation: one picture of each prompt with the schedule, and one step of it."""

    schedule: Schedule | None = None

    def minimise(self, start, owners, blend, draw, decode, measure, report) -> OptimizedWeights:
        """See [`WeightOptimizer.minimise`]."""
        counts = Counter(owners)
        if not self.schedule.distances:
            self.schedule.begin(start[0] * counts[owners[0]])
        strengths, steps = self.schedule.strengths, start.shape[1]
        weights = torch.cat([scheduled_weights(strengths, count, steps) for count in counts.values()])
        latents = draw(weights, torch.tensor(0))
        distances, gradient = distances_and_gradient(latents, decode, measure)
        [gradient] = pull_back(latents, [self.schedule.strengths], gradient / len(distances))
        self.schedule.step(gradient, distances.mean().item())
        return OptimizedWeights(weights.detach(), torch.zeros(len(distances), dtype=torch.long), distances[:, None])


def main() -> None:
    """Learns, and prints how far it came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="JSON file of the schedule; Adam's state goes beside it")
    add("--batches", type=int, default=50, help="steps of Adam (default: %(default)s)")
    add("--batch-size", type=int, default=10, help="prompts in each (default: %(default)s)")
    add("--learning-rate", type=float, default=0.2, help="in units of the strength (default: %(default)s)")
    add("--steps", type=int, default=25, help="sampling steps (default: %(default)s)")
    add("--model", default=default_model(), help="checkpoint, id or folder (default: what ships)")
    arguments = parser.parse_args()
    pipe = load_pipeline(arguments.model, torch.device("cpu"), torch.float32)
    pipe.set_progress_bar_config(disable=True)
    schedule = Schedule(arguments.output, arguments.learning_rate, arguments.batches)
    optimizer = ScheduleStep(epochs=1, schedule=schedule)
    records = [record["prompt"] for record in prompts("train", arguments.batches * arguments.batch_size)]
    batches = [records[i : i + arguments.batch_size] for i in range(0, len(records), arguments.batch_size)]
    bar = tqdm(total=arguments.batches, initial=len(schedule.distances), unit="batch")
    for number in range(len(schedule.distances), arguments.batches):
        pipe(
            batches[number],
            optimize_weights=optimizer,
            num_inference_steps=arguments.steps,
            generator=torch.Generator().manual_seed(number),
            output_type="latent",
        )
        schedule.save()
        bar.set_postfix(distance=f"{sum(schedule.distances[-10:]) / len(schedule.distances[-10:]):.4f}")
        bar.update()
    for count, strengths in zip(COUNTS, schedule.strengths.tolist()):
        print(f"{count} objects: {', '.join(f'{strength:.1f}' for strength in strengths)}")
    tenth = arguments.batches // 10 or 1
    first, last = (sum(part) / len(part) for part in (schedule.distances[:tenth], schedule.distances[-tenth:]))
    print(f"Mean distance of the first {tenth} batches {first:.4f}, of the last {last:.4f}.")


if __name__ == "__main__":
    main()
