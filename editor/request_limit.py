"""No request is read that is larger than what the page is for: `RequestLimit`."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RequestLimit:
    """
    A part of the server that stands before all others. gradio limits single files of a request, and neither how many
    there are nor what is no file.

    Args:
        app: What answers the other requests.
        most (`int`): Bytes of a request.
    """

    def __init__(self, app: ASGIApp, most: int):
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        """The server sees to it that a request is as long as it says."""
        if "transfer-encoding" in headers:
            return PlainTextResponse("The request has to tell its length.", 411)
        if int(headers.get("content-length", 0)) > self._most:
            return PlainTextResponse(f"The request is larger than {self._most} bytes.", 413)
        return None
