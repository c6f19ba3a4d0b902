"""Errors of this package as notices that a visitor can read: `noticed`."""

import html
import inspect
import logging
from collections.abc import Callable
from functools import wraps

import gradio as gr
import torch


logger = logging.getLogger(__name__)

_TOO_LARGE = "There is not enough memory for this: take a smaller size, or fewer pictures."
_READABLE = (ValueError, TypeError, OSError, ImportError, LookupError)


def noticed(function: Callable) -> Callable:
    """A handler of events whose errors are shown as notices. What nobody foresaw is written to the server's log."""
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def handler(*args):
            try:
                yield from function(*args)
            except Exception as error:
                raise notice(error) from error

    else:

        @wraps(function)
        def handler(*args):
            try:
                return function(*args)
            except Exception as error:
                raise notice(error) from error

    return handler


def notice(error: Exception) -> gr.Error:
    """The notice that tells of an error."""
    if isinstance(error, gr.Error):
        return error
    text = str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in text:
        text = _TOO_LARGE
    elif not isinstance(error, _READABLE):
        logger.error("An event of the page failed.", exc_info=error)
        text = f"Something went wrong ({type(error).__name__}). The log of the server says more."
    return gr.Error(html.escape(text, quote=False), duration=12, print_exception=False)


def warn(text: str) -> None:
    """A notice beside what is done all the same."""
    gr.Warning(html.escape(text, quote=False), duration=12)
