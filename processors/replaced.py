"""What stands in the place of something else: another method for a while, a compiled module."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


def own_method(owner: Any, name: str) -> Callable:
    """An object's method as it is outside of blocks, those of other threads too."""
    method = getattr(owner, name)
    return getattr(method, "in_place_of", method)


@contextmanager
def replaced_method(owner: Any, name: str, method: Callable) -> Iterator[None]:
    """A function in the place of an object's own within the block; after it, what a user has put there is again."""
    method.in_place_of = own_method(owner, name)
    before = vars(owner).get(name)
    try:
        vars(owner)[name] = method
        yield
    finally:
        if before is None:
            vars(owner).pop(name, None)
        else:
            vars(owner)[name] = before


def uncompiled(model: nn.Module) -> nn.Module:
    """The module itself where `torch.compile` has wrapped it."""
    return getattr(model, "_orig_mod", model)
