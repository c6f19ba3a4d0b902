"""The temporal axis where a step may take several evaluations of the denoiser."""

import torch

from .steps import StepClock


class SchedulerClock(StepClock):
    """
    A clock that asks the scheduler which step it is at, for the prompt, the negative prompt or the prompt without some
    layers may each be evaluated by themselves.
    """

    def _evaluation(self, scheduler, timestep: torch.Tensor | float) -> int | None:
        """
        The scheduler's own count, or, where it has none (it has taken no step yet, or nobody lets it), which entry of
        its timesteps is nearest, for models may be told the time in half precision.
        """
        for index in (getattr(scheduler, "step_index", None), getattr(scheduler, "begin_index", None)):
            if index is not None:
                return index
        value = torch.as_tensor(timestep).flatten()[0].to(scheduler.timesteps)
        distances = (scheduler.timesteps - value).abs()
        nearest = int(distances.argmin())
        return nearest if distances[nearest] <= 0.01 * value.abs() + 0.01 else None
