"""Another method for an object, for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def own_method(owner: Any, name: str) -> Callable:
    """An object's method as it is outside of blocks, those of other threads too."""
    method = getattr(owner, name)
    return getattr(method, "in_place_of", method)


@contextmanager
def replaced_method(owner: Any, name: str, method: Callable) -> Iterator[None]:
    """A function in the place of an object's own within the block; after it, what a user has put there is again."""
    method.in_place_of = own_method(owner, name)
    before = vars(owner).get(name)
    vars(owner)[name] = method
    try:
        yield
    finally:
        if before is None:
            del vars(owner)[name]
        else:
            vars(owner)[name] = before
