"""Which column of the weights each UNet evaluation uses, for every scheduler that Stable Diffusion may carry."""

import pytest
import torch
from diffusers import LCMScheduler, PNDMScheduler, schedulers
from diffusers.schedulers import KarrasDiffusionSchedulers

from spacetime_attn.processors.steps import StepClock, evaluation_columns


CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
KARRAS = [member.name for member in KarrasDiffusionSchedulers]
TWICE_A_STEP = {
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
}


def make(name: str, steps: int, **config):
    if name != "EDMEulerScheduler":  # which has no betas
        config = CONFIG | config
    if name == "PNDMScheduler":
        config = {"skip_prk_steps": True} | config
    scheduler = getattr(schedulers, name)(**config)
    scheduler.set_timesteps(steps)
    return scheduler


@pytest.mark.parametrize("name", KARRAS)
@pytest.mark.parametrize("steps", [5, 20])
def test_columns_rise_from_the_first_to_the_last_step_without_gaps(name, steps):
    scheduler = make(name, steps)
    columns = evaluation_columns(scheduler)
    assert len(columns) == len(scheduler.timesteps)
    assert sorted(set(columns)) == list(range(steps)) and columns == sorted(columns)


@pytest.mark.parametrize("name", sorted(TWICE_A_STEP))
def test_second_order_schedulers_evaluate_twice_in_every_step_but_the_last(name):
    assert evaluation_columns(make(name, 4)) == [0, 0, 1, 1, 2, 2, 3]


def test_plms_evaluates_the_first_step_twice():
    assert evaluation_columns(make("PNDMScheduler", 4)) == [0, 0, 1, 2, 3]


def test_runge_kutta_warm_up_takes_four_evaluations_for_each_of_three_steps():
    columns = evaluation_columns(make("PNDMScheduler", 6, skip_prk_steps=False))
    assert columns == [0] * 4 + [1] * 4 + [2] * 4 + [3, 4, 5]


def test_consistency_models_evaluate_once_a_step():
    scheduler = LCMScheduler(**CONFIG)
    scheduler.set_timesteps(4)
    assert evaluation_columns(scheduler) == [0, 1, 2, 3]


def test_custom_timesteps_have_a_column_each():
    scheduler = make("HeunDiscreteScheduler", 4)
    scheduler.set_timesteps(timesteps=[900, 500, 100])
    assert evaluation_columns(scheduler) == [0, 0, 1, 1, 2]


def ticks(clock: StepClock, scheduler, timesteps) -> list[int]:
    return [clock.tick(scheduler, timestep)[0] for timestep in timesteps]


@pytest.mark.parametrize("name", KARRAS)
def test_the_clock_follows_a_whole_run_and_starts_again_with_the_next(name):
    clock, scheduler = StepClock(), make(name, 7)
    assert ticks(clock, scheduler, scheduler.timesteps) == evaluation_columns(scheduler)
    scheduler.set_timesteps(5)
    assert ticks(clock, scheduler, scheduler.timesteps) == evaluation_columns(scheduler)


@pytest.mark.parametrize("name", KARRAS)
def test_a_run_that_starts_in_the_middle_starts_in_the_middle_of_the_matrix(name):
    scheduler = make(name, 10)
    start = 4 * scheduler.order  # what image-to-image does at strength 0.6
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    assert ticks(StepClock(), scheduler, scheduler.timesteps[start:]) == evaluation_columns(scheduler)[start:]


def test_the_clock_says_when_a_run_begins_and_how_many_columns_it_has():
    clock, scheduler = StepClock(), make("DDIMScheduler", 3)
    told = [clock.tick(scheduler, timestep) for timestep in scheduler.timesteps]
    assert told == [(0, 3, True), (1, 3, False), (2, 3, False)]


def test_a_plain_number_may_stand_for_the_timestep():
    scheduler = PNDMScheduler(**CONFIG, skip_prk_steps=True)
    scheduler.set_timesteps(10)
    assert StepClock().tick(scheduler, float(scheduler.timesteps[6]))[0] == 5
    assert StepClock().tick(scheduler, torch.tensor([int(scheduler.timesteps[6])]))[0] == 5
