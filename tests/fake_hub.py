"""A Hub on this machine: the part of huggingface.co that downloads and uploads ask for, on local folders."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


USER = "user"  # whose token it is


class FakeHub:
    """
    A server for the length of a `with` block.

    Args:
        repos (`dict[str, Path]`): Folders by the name of the repository that they stand for: `"user/name"`, or
            `"datasets/user/name"`.

    `url` goes into HF_ENDPOINT (before huggingface_hub is imported), `requests` lists what was asked: method, path
    and status.
    """

    def __init__(self, repos: dict[str, Path]):
        self.repos = {name: Path(folder) for name, folder in repos.items()}
        self.requests: list[tuple[str, str, int]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeHub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self._server.shutdown()
        self._server.server_close()

    def downloads(self) -> list[str]:
        """The files that were sent so far, as paths within their repositories."""
        return [
            path.partition("/resolve/")[2].partition("/")[2]
            for method, path, status in self.requests
            if method == "GET" and "/resolve/" in path and status == 200
        ]

    def files(self, repo: str) -> dict[str, bytes]:
        """Contents of a repository by path."""
        folder = self.repos[repo]
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def commit(self, repo: str) -> str:
        """A name for the state of a repository, like git's."""
        digest = hashlib.sha1()
        for name, content in self.files(repo).items():
            digest.update(name.encode() + b"\0" + content)
        return digest.hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def do_GET(self):
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[0] == "api":
            self._api(parts[1:])
        elif "resolve" in parts:
            at = parts.index("resolve")
            self._file("/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2 :]))
        else:
            self._error(404, "EntryNotFound")

    do_HEAD = do_GET

    def do_POST(self):
        """Uploads: a repository is made, says of each file how it takes it, and is given them all in one commit."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind, *parts = urlsplit(self.path).path.removeprefix("/api/").split("/")
        if (kind, parts) == ("repos", ["create"]):
            asked = json.loads(body)
            self._json({"url": f"{self.hub.url}/{asked.get('organization') or USER}/{asked['name']}"})
        elif kind == "validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif parts[2:] == ["preupload", "main"]:
            paths = [file["path"] for file in json.loads(body)["files"]]
            self._json({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]})
        elif parts[2:] == ["commit", "main"]:
            self._commit("/".join(parts[:2]), [json.loads(line) for line in body.splitlines()])
        else:
            self._error(404, "EntryNotFound")

    def _commit(self, repo: str, changes: list[dict]):
        for file in (change["value"] for change in changes if change["key"] == "file"):
            path = self.hub.repos[repo] / file["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(file["content"]))
        commit = self.hub.commit(repo)
        self._json({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{repo}/commit/{commit}"})

    def _api(self, parts: list[str]):
        """`models/user/name` and `datasets/user/name`: description; `.../tree/revision`: list of files."""
        if parts == ["whoami-v2"]:
            return self._json({"name": USER})
        if len(parts) < 3:
            return self._error(404, "EntryNotFound")
        kind, user, name, *rest = parts
        repo = f"{user}/{name}" if kind == "models" else f"{kind}/{user}/{name}"
        if not self._known(repo, rest[1] if len(rest) > 1 else "main"):
            return
        files = self.hub.files(repo)
        if rest[:1] == ["tree"]:
            entries = [{"type": "file", "path": n, "size": len(c), "oid": _blob(c)} for n, c in files.items()]
            return self._json(entries)
        siblings = [{"rfilename": path} for path in files]
        self._json({"id": f"{user}/{name}", "sha": self.hub.commit(repo), "siblings": siblings})

    def _file(self, repo: str, revision: str, path: str):
        if not self._known(repo, revision):
            return
        content = self.hub.files(repo).get(path)
        if content is None:
            return self._error(404, "EntryNotFound")
        self._send(200, content, {"ETag": f'"{_blob(content)}"', "X-Repo-Commit": self.hub.commit(repo)})

    def _known(self, repo: str, revision: str) -> bool:
        """Answers for a repository or a revision that does not exist."""
        if repo not in self.hub.repos:
            self._error(404, "RepoNotFound")
        elif revision not in ("main", self.hub.commit(repo)):
            self._error(404, "RevisionNotFound")
        else:
            return True
        return False

    def _json(self, data):
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str):
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": f"{code}: {self.path}"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]):
        self.hub.requests.append((self.command, unquote(urlsplit(self.path).path), status))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args):
        """Nothing on the screen."""


def _blob(content: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
