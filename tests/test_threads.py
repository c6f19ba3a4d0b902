"""Threads that share a UNet, or a pipeline; and interrupts while what was replaced is put back."""

import copy
import gc
import linecache
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch
from diffusers import StableDiffusionPipeline
from test_adjoint import a_direction, start
from test_adjoint import run as differentiable_run

from spacetime_attn import Layout, Region, WeightOptimizer, spacetime_attention
from spacetime_attn.processors import patch
from spacetime_attn.processors.adjoint import pull_back


PROMPT = "a red cat"
LAYOUT = Layout((Region("a green bus", box=(0, 0, 0.4, 1)),))
OTHER = Layout((Region("a bird", box=(0.5, 0, 1, 1), negative_prompt="fog"),))


def run(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    options = {"prompt": PROMPT, "num_inference_steps": 3, "output_type": "latent"} | options
    return pipe(**options, generator=torch.Generator().manual_seed(0)).images


def controlled(pipe, layout=LAYOUT, **options):
    with spacetime_attention(pipe, layout):
        return run(pipe, **options)


@pytest.fixture
def elsewhere():
    """Runs a function in another thread; waits for it there where its `result` is asked for."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit


@pytest.fixture
def plain(components) -> StableDiffusionPipeline:
    """A pipeline on the same UNet, with a scheduler of its own."""
    scheduler = copy.deepcopy(components["scheduler"])
    return StableDiffusionPipeline(**components | {"scheduler": scheduler}, requires_safety_checker=False)


def once(module, function) -> None:
    """Calls a function in the middle of the next evaluation of which the module is a part."""

    def call(*_):
        handle.remove()
        function()

    handle = module.register_forward_hook(call)


def at_each_step(function):
    """A callback of a pipeline that calls a function."""

    def callback(pipe, step, timestep, kwargs):
        function()
        return {}

    return callback


# Another pipeline in another thread


def test_between_the_steps_of_a_controlled_run_a_plain_one_stays_plain(stock, plain, elsewhere):
    expected, alone = run(plain), controlled(stock)
    found = []
    callback = at_each_step(lambda: found.append(elsewhere(run, plain).result()))
    assert torch.equal(controlled(stock, callback_on_step_end=callback), alone)
    assert len(found) == 4 and all(torch.equal(images, expected) for images in found)


def test_while_a_controlled_evaluation_is_under_way_a_plain_one_stays_plain(stock, plain, elsewhere):
    expected, alone = run(plain), controlled(stock)
    found = []
    with spacetime_attention(stock, LAYOUT):
        once(stock.unet.mid_block, lambda: found.append(elsewhere(run, plain).result()))
        assert torch.equal(run(stock), alone)
    assert torch.equal(found[0], expected)


def test_while_a_plain_evaluation_is_under_way_a_controlled_one_is_controlled(stock, plain, elsewhere):
    expected, alone = run(plain), controlled(stock)
    begun, go_on = Event(), Event()
    once(stock.unet.mid_block, lambda: begun.set() or go_on.wait(60))
    with spacetime_attention(stock, LAYOUT):
        waiting = elsewhere(run, plain)
        begun.wait(60)
        found = run(stock)
        go_on.set()
        assert torch.equal(waiting.result(), expected)
    assert torch.equal(found, alone)


def test_control_that_ends_while_a_plain_evaluation_is_under_way_leaves_that_plain(stock, plain, elsewhere):
    expected = run(plain)
    begun, go_on = Event(), Event()
    with spacetime_attention(stock, LAYOUT):
        once(stock.unet.mid_block, lambda: begun.set() or go_on.wait(60))
        waiting = elsewhere(run, plain)
        begun.wait(60)
        run(stock)
    go_on.set()
    assert torch.equal(waiting.result(), expected)


def test_a_plain_evaluation_during_which_control_begins_stays_plain(stock, plain, elsewhere):
    expected, alone = run(plain), controlled(stock)
    begun, go_on = Event(), Event()
    once(stock.unet.conv_in, lambda: begun.set() or go_on.wait(60))
    waiting = elsewhere(run, plain)
    begun.wait(60)
    found = []
    with spacetime_attention(stock, LAYOUT):
        callback = at_each_step(lambda: found.append(go_on.set() or waiting.result()))
        assert torch.equal(run(stock, callback_on_step_end=callback), alone)
    assert torch.equal(found[0], expected)


def test_a_plain_run_stays_plain_while_weights_are_optimised(pipe, plain, clip, elsewhere):
    optimizer = WeightOptimizer(epochs=2, noises=1, keep="last", clip=clip)
    options = {"layout": LAYOUT, "optimize_weights": optimizer, "latents": torch.ones(1, 4, 16, 16)}
    expected, alone = run(plain), run(pipe, **options)
    found = []
    callback = at_each_step(lambda: found.append(elsewhere(run, plain).result()))
    assert torch.equal(run(pipe, **options, callback_on_step_end=callback), alone)
    assert len(found) > 4 and all(torch.equal(images, expected) for images in found)


def test_a_compiled_unet_is_refused_in_the_other_thread(stock, plain, elsewhere):
    stock.unet.compile(backend="eager")
    with spacetime_attention(stock, LAYOUT):
        with pytest.raises(ValueError, match="compiled, and under regional control in another thread"):
            elsewhere(run, plain).result()
    assert torch.equal(elsewhere(run, plain).result(), run(plain))


# The same pipeline in another thread


def test_the_pipeline_of_the_block_is_controlled_in_whatever_thread_it_runs(stock, elsewhere):
    alone = controlled(stock)
    with spacetime_attention(stock, LAYOUT):
        assert torch.equal(elsewhere(run, stock).result(), alone)


def test_a_block_may_be_entered_in_one_thread_and_left_in_another(stock, elsewhere):
    expected, alone = run(stock), controlled(stock)
    block = spacetime_attention(stock, LAYOUT)
    elsewhere(block.__enter__).result()
    assert torch.equal(run(stock), alone)
    block.__exit__(None, None, None)
    assert torch.equal(run(stock), expected)


def test_two_threads_that_run_it_at_once_are_refused(stock, elsewhere):
    alone = controlled(stock)
    with spacetime_attention(stock, LAYOUT):
        with pytest.raises(ValueError, match="Control needs .* no two threads that run one pipeline"):
            run(stock, callback_on_step_end=at_each_step(lambda: elsewhere(run, stock).result()))
        assert torch.equal(run(stock), alone)


# Two controlled runs


def test_two_threads_on_one_pipeline_draw_what_each_draws_alone(pipe, elsewhere):
    expected = [run(pipe, layout=layout) for layout in (LAYOUT, OTHER)]
    waiting = []

    def start():
        if not waiting:
            waiting.append(elsewhere(run, pipe, layout=OTHER))

    found = run(pipe, layout=LAYOUT, callback_on_step_end=at_each_step(start))
    assert torch.equal(found, expected[0]) and torch.equal(waiting[0].result(), expected[1])


@pytest.mark.parametrize("without", [{"weights": 0}, {"layout": Layout()}])
@pytest.mark.parametrize("swap", [False, True])
def test_one_of_them_may_have_no_regions(pipe, elsewhere, without, swap):
    calls = [{"layout": LAYOUT}, without]
    first, second = reversed(calls) if swap else calls
    expected, waiting = [run(pipe, **first), run(pipe, **second)], []

    def start():
        if not waiting:
            waiting.append(elsewhere(run, pipe, **second))

    found = run(pipe, **first, callback_on_step_end=at_each_step(start))
    assert torch.equal(found, expected[0]) and torch.equal(waiting[0].result(), expected[1])


def test_a_call_within_a_call_does_not_wait_for_it(pipe):
    inner = []
    callback = at_each_step(lambda: inner or inner.append(run(pipe, weights=0)))
    run(pipe, weights=0, num_inference_steps=1, callback_on_step_end=callback)
    assert torch.equal(inner[0], run(pipe, weights=0))


def test_who_waits_says_so_once(stock, plain, elsewhere, monkeypatch, caplog):
    monkeypatch.setattr(patch, "_PATIENCE", 0)
    with spacetime_attention(stock, LAYOUT):
        waiting = elsewhere(controlled, plain, OTHER)
        run(stock)
        while not caplog.messages:
            assert not waiting.done()
    waiting.result()
    assert caplog.messages == ["A UNet2DConditionModel is in use by another thread's run or `with` block: waiting."]


def test_a_block_waits_for_that_of_another_thread(stock, plain, elsewhere):
    expected = controlled(plain, OTHER)
    with spacetime_attention(stock, LAYOUT):
        waiting = elsewhere(controlled, plain, OTHER)
        alone = run(stock)
        assert not waiting.done()
    assert torch.equal(waiting.result(), expected) and torch.equal(controlled(stock), alone)


@pytest.mark.parametrize("layout", [LAYOUT, OTHER], ids=["one", "negative"])
def test_what_a_block_held_is_freed_at_its_end(stock, layout):
    gc.collect()
    gc.disable()
    try:
        with spacetime_attention(stock, layout) as control:
            run(stock)
        left = weakref.ref(control)
        del control
        assert left() is None
    finally:
        gc.enable()


def test_a_second_block_in_one_thread_is_refused_and_the_first_goes_on(stock, plain):
    alone = controlled(stock)
    with spacetime_attention(stock, LAYOUT):
        with pytest.raises(ValueError, match="already under regional control: end that `with` block before the next"):
            controlled(plain)
        assert torch.equal(run(stock), alone)


# Gradients


def gradient(pipe, call=lambda function: function(), **options) -> torch.Tensor:
    """Of a run's last latents with respect to its weights, computed by `call`."""
    weights = start().requires_grad_()
    with differentiable_run(pipe, weights, **options) as latents:
        return call(lambda: pull_back(latents, [weights], a_direction(latents))[0])


@pytest.mark.parametrize("recompute_layers", [True, False])
def test_recomputation_in_a_foreign_thread_is_controlled(stock, plain, elsewhere, recompute_layers):
    expected = gradient(stock, recompute_layers=recompute_layers)

    def after_a_plain_run(function):
        elsewhere(run, plain).result()
        return elsewhere(function).result()

    for call in (lambda function: elsewhere(function).result(), after_a_plain_run):
        assert torch.equal(gradient(stock, call, recompute_layers=recompute_layers), expected)


def test_layers_that_a_user_has_recomputed_in_a_foreign_thread_are_controlled(stock, elsewhere):
    stock.unet.enable_gradient_checkpointing()
    stock.unet.train()
    latents, texts = torch.ones(2, 4, 16, 16), torch.randn(2, 77, 32)
    run(stock)

    def of_the_latents(call) -> torch.Tensor:
        stock.scheduler.set_timesteps(3)
        inputs = latents.clone().requires_grad_()
        with spacetime_attention(stock, LAYOUT):
            noise = stock.unet(inputs, stock.scheduler.timesteps[0], texts).sample
            call(noise.square().sum().backward)
        return inputs.grad

    expected = of_the_latents(lambda backward: backward())
    assert torch.equal(of_the_latents(lambda backward: elsewhere(backward).result()), expected)


# Interrupts


def interrupted_at(number: int, pipe) -> bool:
    """Whether the end of a block is interrupted at that line, counted from the first after it says that it is over."""
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename != patch.__file__:
            return None
        block = frame.f_locals.get("block") or frame.f_locals.get("self")
        line = linecache.getline(patch.__file__, frame.f_lineno)
        takes_lock = "with _blocks_lock" in line  # where Python lets no signal in
        if event == "line" and getattr(block, "over", False) and not takes_lock:
            lines += 1
            if lines == number:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    try:
        with spacetime_attention(pipe, LAYOUT):
            run(pipe, num_inference_steps=1)
            sys.settrace(trace)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_while_the_layers_are_put_back_leaves_nothing_behind(stock, plain, elsewhere):
    untouched, step = [dict(vars(module)) for module in stock.unet.modules()], {"num_inference_steps": 1}
    expected, alone = run(stock, **step), controlled(stock, **step)
    number = 1
    while interrupted_at(number, stock):
        assert torch.equal(run(stock, **step), expected), number
        if number % 2:
            assert torch.equal(controlled(stock, **step), alone), number
        else:
            assert torch.equal(elsewhere(controlled, plain, **step).result(), alone), number
        assert [dict(vars(module)) for module in stock.unet.modules()] == untouched, number
        number += 1
    assert number > 20
