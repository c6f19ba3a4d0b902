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
    Counts UNet evaluations of one scheduler and tells their weight columns.

    A run is recognised by its timesteps: `set_timesteps` makes a new tensor each time. A run may start anywhere in
    them (image-to-image does).
    """

    def __init__(self):
        self._timesteps = None
        self._columns: list[int] = []
        self._evaluation = 0

    def tick(self, scheduler, timestep: torch.Tensor | float, evaluations: int | None = None) -> tuple[int, int, bool]:
        """
        Registers one evaluation.

        Args:
            scheduler: The scheduler of the run.
            timestep (`torch.Tensor` or `float`): What the UNet is given; read in the first evaluation of a run only.
            evaluations (`int`, *optional*): How many the run has; tells where it starts if timesteps repeat.

        Returns:
            `tuple[int, int, bool]`: The weight column, the number of columns, and whether a run has just begun.
        """
        begins = scheduler.timesteps is not self._timesteps
        if begins:
            self._timesteps = scheduler.timesteps
            self._columns = evaluation_columns(scheduler)
            self._evaluation = _starting_evaluation(scheduler, timestep, evaluations)
        column = self._columns[min(self._evaluation, len(self._columns) - 1)]
        self._evaluation += 1
        return column, self._columns[-1] + 1, begins


def _starting_evaluation(scheduler, timestep: torch.Tensor | float, evaluations: int | None) -> int:
    begin_index = getattr(scheduler, "begin_index", None)
    if begin_index is not None:
        return begin_index
    value = torch.as_tensor(timestep).flatten()[0].to(scheduler.timesteps)
    matches = (scheduler.timesteps == value).nonzero().flatten().tolist()
    from_the_end = len(scheduler.timesteps) - (evaluations or 0)
    return from_the_end if from_the_end in matches else matches[0] if matches else 0
