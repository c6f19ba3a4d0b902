"""Another method for an object, for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced_method(owner: Any, name: str, method: Callable) -> Iterator[None]:
    """In the place of an object's own within the block; after it, what a user has put there is there again."""
    before = vars(owner).get(name)
    vars(owner)[name] = method
    try:
        yield
    finally:
        if before is None:
            del vars(owner)[name]
        else:
            vars(owner)[name] = before
