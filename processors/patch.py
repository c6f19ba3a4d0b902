"""Puts regional attention into a pipeline's denoiser for the length of a `with` block, and takes it out again."""

import inspect
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, get_ident
from types import FrameType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from diffusers import DiffusionPipeline
from torch import nn

from .checks import check_pictures
from .control import RegionalControl
from .region_adapters import adapter_forwards, encoded_so
from .replaced import uncompiled
from .self_attention import SeparatedAttnProcessor
from .unet import UNetDenoiser


@contextmanager
def regional_attention(
    denoiser: UNetDenoiser, control: RegionalControl, begin_run: Callable[[bool, int, int], None] | None = None
) -> Iterator[RegionalControl]:
    """
    Regional attention in every layer where a pipeline's denoiser reads texts, at any size, for as long as the block
    runs.

    Works with diffusers pipelines that evaluate their denoiser in the steps of their scheduler, under classifier-free
    guidance with rows [unconditional, conditional] or once for each: text-to-image, image-to-image, inpainting,
    ControlNet, T2I-Adapter, AnimateDiff. It is the layers' `forward` that is replaced: their processors may be changed
    within the block, and control acts around the new ones.

    The block is for the runs of the pipeline, in whatever thread, and for what its own thread does with the denoiser
    without a pipeline. Runs of other pipelines that share the model go on in other threads as if there were no block.
    One model has one block at a time: that of another thread waits.

    Args:
        denoiser ([`UNetDenoiser`], or another family's): The pipeline's.
        control ([`RegionalControl`]): Contexts, regions and weights.
        begin_run (`Callable[[bool, int, int], None]`, *optional*): Called when a run of the pipeline begins, with
            whether it is under guidance, how many steps its scheduler takes and which of them is its first; it may
            change the control's blend and weights.

    Raises:
        ValueError: This thread has a block on the model already, or nothing in it can be controlled. While a run is
            evaluated: guided control without guidance; weights of another number of steps than the scheduler's;
            evaluations that are not the scheduler's steps, or not of the pipeline. At the end of a run, or of the
            block: NaN or infinity.
        TypeError: A denoiser of another kind.
    """
    pipe = denoiser.pipe
    model, plain_model = denoiser.model, uncompiled(denoiser.model)
    if not isinstance(plain_model, denoiser.models):
        raise TypeError(f"{type(pipe).__name__} cannot be controlled: its denoiser is a {type(plain_model).__name__}.")
    layers = denoiser.layers(control.contexts) if len(control.contexts) else []
    separated_layers = [] if control.separations is None else denoiser.self_attention_layers()
    first = denoiser.first_block()
    names, first_names = _argument_names(plain_model), _argument_names(first)
    clock, in_use, unchecked = denoiser.clock(), True, None

    @torch.compiler.disable  # compiled models would trace it
    def begin_evaluation(_, args, kwargs):
        nonlocal in_use
        if block.over:
            return None
        control.thread.plain = not _is_run_of(pipe, block)
        if control.thread.plain:
            _check_shareable(model)
            return None
        evaluation = denoiser.evaluation(dict(zip(names, args)) | kwargs)
        column, columns, begins = clock.tick(pipe.scheduler, evaluation.timestep)
        if begins:
            if begin_run is not None:
                begin_run(denoiser.guided, columns, column)
            _check_run(denoiser, control, columns)
            if in_use := control.acts_from(column):
                denoiser.check_run(control)
            control.begin_run()
        control.begin_step(column, evaluation)
        denoiser.prepare(control, evaluation)
        if control.images is not None:
            return (), control.images.completed(dict(zip(names, args)) | kwargs, control, evaluation, column)
        return None

    @torch.compiler.disable
    def end_evaluation(_, args, output):
        nonlocal unchecked
        controlled, control.thread.plain = control.thread.plain is False, None
        if block.over or not controlled or control.recomputed or not in_use:
            return
        unchecked = control.by_picture(output[0].detach())
        if clock.at_end:  # once a run, for it waits for the GPU
            last, unchecked = unchecked, None
            check_pictures(last)

    def controls() -> bool:
        begun_before = control.thread.plain is None and _is_under_way(plain_model)
        return not block.over and not begun_before and not control.thread.plain

    def acts() -> bool:
        return controls() and (control.acts or control.separates)

    def join(_, args, kwargs):
        return ((), denoiser.join(control, dict(zip(first_names, args)) | kwargs)) if control.acts and acts() else None

    name = type(plain_model).__name__
    taken = f"The {name} is already under regional control: end that `with` block before the next."
    with own_turn(plain_model, taken) as block:
        block.hooks.append(model.register_forward_pre_hook(begin_evaluation, with_kwargs=True))
        block.hooks.append(model.register_forward_hook(end_evaluation))
        if first is not None:
            block.hooks.append(first.register_forward_pre_hook(join, with_kwargs=True))
        for layer in layers:
            block.replace_forward(layer, _controlled_forward(layer, denoiser.regional, control, acts))
        for layer in separated_layers:
            block.replace_forward(layer, _controlled_forward(layer, SeparatedAttnProcessor, control, acts))
        for layer, forward in adapter_forwards(plain_model, control, controls):
            block.replace_forward(layer, forward)
        try:
            with encoded_so(pipe, denoiser.encode_prompt, control.adapter_names):
                yield control
        finally:
            block.over = True  # as early as can be, see `own_turn`
        if unchecked is not None:  # the run has left before its schedule's end
            check_pictures(unchecked)


@dataclass(eq=False)
class _Block:
    """One `with` block, and what it has replaced."""

    thread: int = field(default_factory=get_ident)
    over: bool = False
    hooks: list[torch.utils.hooks.RemovableHandle] = field(default_factory=list)
    _replaced: list[tuple[nn.Module, Callable, Callable | None]] = field(default_factory=list)

    def replace_forward(self, module: nn.Module, forward: Callable) -> None:
        self._replaced.append((module, forward, vars(module).get("forward")))
        vars(module)["forward"] = forward

    def put_back(self) -> None:
        """Undoes all of it; may be interrupted and called again."""
        for hook in self.hooks:
            hook.remove()
        for module, forward, before in reversed(self._replaced):
            if vars(module).get("forward") is not forward:
                continue
            if before is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = before
        self._replaced.clear()  # they refer to the block, and this circle would keep all of the run in memory


_blocks: WeakKeyDictionary[Any, _Block] = WeakKeyDictionary()  # by what they are about
_blocks_lock = Lock()
_PATIENCE = 5.0  # seconds until a block that waits says so
_patch_logger = logging.getLogger(__name__)


@contextmanager
def own_turn(thing, taken: str) -> Iterator[_Block]:
    """
    One block at a time about a denoiser or a pipeline: that of another thread waits. What it has replaced is put back
    at its end, or, where an interrupt comes in between, before the next.

    Args:
        thing: What threads may share.
        taken (`str`): Says what is wrong where this thread itself has its turn already.

    Raises:
        ValueError: It has.
    """
    block = _Block()
    try:
        _wait(thing, block, taken)
        yield block
    finally:
        block.over = True  # from here on what it has replaced does nothing, wherever an interrupt ends this
        with _blocks_lock:
            block.put_back()
            if _blocks.get(thing) is block:
                del _blocks[thing]


def _wait(thing, block: _Block, taken: str) -> None:
    since, told = time.monotonic(), False
    while True:
        with _blocks_lock:
            other = _blocks.setdefault(thing, block)
            if other.over:
                other.put_back()
                other = _blocks[thing] = block
        if other is block:
            return
        if other.thread == block.thread:
            raise ValueError(taken)
        if not told and time.monotonic() - since > _PATIENCE:
            kind = type(thing).__name__
            _patch_logger.warning("A %s is in use by another thread's run or `with` block: waiting.", kind)
            told = True
        time.sleep(0.01)


@contextmanager
def own_run(pipe) -> Iterator[None]:
    """
    One call of a pipeline at a time: those of other threads wait. A call within another of its thread, or within that
    thread's block on the UNet, goes on. So nobody who has the UNet waits for a pipeline.
    """
    if _has_turn(pipe) or _has_turn(uncompiled(pipe.unet)):
        yield
        return
    with own_turn(pipe, ""):
        yield


def _has_turn(thing) -> bool:
    """Whether this thread has."""
    with _blocks_lock:
        block = _blocks.get(thing)
        return block is not None and not block.over and block.thread == get_ident()


def _controlled_forward(
    layer: nn.Module,
    processor: Callable[[Callable, RegionalControl], Callable],
    control: RegionalControl,
    acts: Callable[[], bool],
) -> Callable:
    before = vars(layer).get("forward")
    plain = type(layer).forward if before is None else lambda attn, *args, **options: before(*args, **options)
    controlled = processor(plain, control)

    def forward(attn, *args, **options):
        return (controlled if acts() else plain)(attn, *args, **options)

    return MethodType(forward, layer)


def _argument_names(module: nn.Module | None) -> list[str]:
    """Of a module's `forward`, in their order."""
    return [] if module is None else list(inspect.signature(type(module).forward).parameters)[1:]


def _is_run_of(pipe, block: _Block) -> bool:
    """Whether the evaluation that begins is the pipeline's, or one of the block's thread without any pipeline."""
    caller, in_its_thread = _calling_pipeline(), get_ident() == block.thread
    if caller is pipe or caller is None:
        return caller is pipe or in_its_thread
    if in_its_thread:
        raise ValueError(
            f"This block controls a {type(pipe).__name__}, and a {type(caller).__name__} runs on its model. Open one"
            " for that pipeline, or call it outside."
        )
    return False


def _is_under_way(model: nn.Module) -> bool:
    """Whether this is part of an evaluation of the model, and not of what autograd computes again of one."""
    return any(frame.f_locals.get("self") is model for frame in frames_of("forward"))


def _calling_pipeline() -> DiffusionPipeline | None:
    """The pipeline whose call this is part of."""
    callers = (frame.f_locals.get("self") for frame in frames_of("__call__"))
    return next((caller for caller in callers if isinstance(caller, DiffusionPipeline)), None)


def frames_of(method: str) -> Iterator[FrameType]:
    """Those of the methods of that name that this is part of, from the inside out."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == method:
            yield frame
        frame = frame.f_back


def _check_shareable(model: nn.Module) -> None:
    """A compiled model does not ask which thread it runs in."""
    if model is not uncompiled(model) or any(module._compiled_call_impl for module in model.modules()):
        raise ValueError(
            f"The {type(uncompiled(model)).__name__} is compiled, and under regional control in another thread. Wait"
            " for that to end, or share one that is not compiled."
        )


def _check_run(denoiser: UNetDenoiser, control: RegionalControl, columns: int) -> None:
    if control.blend == "guided" and not denoiser.guided:
        raise ValueError(
            "`blend='guided'` subtracts the unconditional attention, but the run has no classifier-free guidance."
            " Pass blend='convex' or a guidance_scale above 1."
        )
    if control.weights.shape[1] not in (1, columns):
        raise ValueError(
            f"`weights` has {control.weights.shape[1]} columns, but the scheduler takes {columns} steps. Pass one"
            " column for each step."
        )
    layers_recomputed = denoiser.model.is_gradient_checkpointing and not control.recomputed
    if layers_recomputed and control.weights.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            "Gradients of the weights over a whole run do not go together with gradient checkpointing: what is"
            f" recomputed would see the last step's weights. Call `{denoiser.component}"
            ".disable_gradient_checkpointing()`."
        )
