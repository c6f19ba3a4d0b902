"""The temporal axis: which column of the (objects x steps) weights an evaluation of the UNet belongs to."""

import torch


def evaluation_columns(scheduler) -> list[int]:
    """
    The weight column of every UNet evaluation of a whole run, for a scheduler after `set_timesteps`.

    Most schedulers evaluate the UNet once a step. PLMS evaluates it once more, and both of its first evaluations
    belong to the first step (as in the official code of arXiv:2304.03869); its Runge-Kutta warm-up, where it is
    switched on, takes four evaluations for each of three steps; second-order schedulers (Heun, KDPM2, DPM-Solver
    SDE) take two a step, the last step one.

    Args:
        scheduler: Any diffusers scheduler whose timesteps are set.

    Returns:
        `list[int]`: One column for each entry of `scheduler.timesteps`, rising from 0 to num_inference_steps - 1.
    """
    evaluations = range(len(scheduler.timesteps))
    warm_up = getattr(scheduler, "prk_timesteps", None)
    if warm_up is not None and len(warm_up):
        steps = len(warm_up) // 4
        return [k // 4 if k < len(warm_up) else steps + k - len(warm_up) for k in evaluations]
    if warm_up is not None:
        return [max(k - 1, 0) for k in evaluations]
    if getattr(scheduler, "order", 1) == 2:
        return [k // 2 for k in evaluations]
    return list(evaluations)


class StepClock:
    """
    Follows the evaluations of one scheduler's runs and tells their weight columns.

    A run is recognised by its timesteps: `set_timesteps` makes a new tensor each time. A run may start anywhere in
    them (image-to-image does), and goes forward.
    """

    def __init__(self):
        self._timesteps = None
        self._columns: list[int] = []
        self._next = 0

    def tick(self, scheduler, timestep: torch.Tensor | float) -> tuple[int, int, bool]:
        """
        Registers one evaluation.

        Args:
            scheduler: The scheduler of the run.
            timestep (`torch.Tensor` or `float`): What the denoiser is given.

        Returns:
            `tuple[int, int, bool]`: The weight column, the number of columns, and whether a run has just begun.

        Raises:
            ValueError: A timestep that the run does not have, or has had.
        """
        begins = scheduler.timesteps is not self._timesteps
        if begins:
            self._timesteps = scheduler.timesteps
            self._columns = evaluation_columns(scheduler)
            self._next = getattr(scheduler, "begin_index", None) or 0
        evaluation = self._evaluation(scheduler, timestep)
        if evaluation is None:
            raise ValueError(
                f"The denoiser is evaluated at timestep {float(torch.as_tensor(timestep).flatten()[0]):g}, which is"
                f" none that {type(scheduler).__name__} has still to take in this run. Control needs the scheduler's"
                " own steps, with one evaluation for each: no several views, no two threads that run one pipeline, and"
                " in own loops `set_timesteps` before each run."
            )
        self._next = evaluation + 1
        return self._columns[evaluation], self._columns[-1] + 1, begins

    def _evaluation(self, scheduler, timestep: torch.Tensor | float) -> int | None:
        """
        Which entry of the timesteps this one is, of those that are still to come. Pipelines hand on the entries
        themselves, and their places in memory tell them without waiting for the GPU; others are looked for by value.
        """
        timesteps, first = self._timesteps, self._next
        if torch.is_tensor(timestep) and _memory(timestep) == _memory(timesteps):
            found = (timestep.storage_offset() - timesteps.storage_offset()) // timesteps.stride(0)
            return found if found >= first else None
        value = torch.as_tensor(timestep).flatten()[0].to(timesteps)
        later = (timesteps[first:] == value).nonzero().flatten().tolist()
        return first + later[0] if later else None

    @property
    def at_end(self) -> bool:
        """Whether the evaluation registered last is of the last of the scheduler's timesteps."""
        return self._next == len(self._columns)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
