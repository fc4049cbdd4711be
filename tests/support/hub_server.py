"""A model hub on 127.0.0.1: serves a folder of repositories to the real huggingface_hub client.

    with HubServer(folder) as server:          # folder/owner/name/...
        server.gate("RecursiveMAS/Some-Repo")
        ...                                    # a client with HF_ENDPOINT=server.url
        server.requests                        # what was asked for

Datasets and models stand in the same folder, and what is pushed changes it. Each repository has the branch
`main`, whose commit is a hash of its files; `add_revision` adds others.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.loopback import LoopbackServer

SLOW_CHUNK_BYTES = 1024


@dataclass(frozen=True)
class Request:
    """One request that the server got; `path` is decoded and without its query."""

    method: str
    path: str
    token: str | None
    range: str | None

    @property
    def is_for_file(self) -> bool:
        return "/resolve/" in self.path


@dataclass
class Fault:
    """What goes wrong for targets that match `pattern`.

    A target is `owner/name` for metadata and `owner/name/file` for files. `status` and `error_code` answer
    instead of the content, `body` instead of metadata, `headers` besides the file's own. `flip` changes a bit
    of what is sent. `cut_after` closes the connection after that many bytes of the file. `truncate_to`
    serves only that many bytes, as if they were all. `pause_s` waits between pieces of `SLOW_CHUNK_BYTES`.
    `times` is how often it happens.
    """

    pattern: str
    status: int | None = None
    error_code: str | None = None
    cut_after: int | None = None
    truncate_to: int | None = None
    pause_s: float = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    flip: bool = False
    times: float = float("inf")


@dataclass
class HubServer(LoopbackServer):
    """A context manager that serves `folder`; `url` is its HF_ENDPOINT."""

    folder: Path
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    revisions: dict[tuple[str, str], Path] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    """Repositories that were made, or are told of, as public."""
    large: tuple[str, ...] = ()
    """Patterns of files that are told of as stored with Git LFS, with their SHA-256."""

    @property
    def file_requests(self) -> list[Request]:
        return [request for request in self.requests if request.is_for_file]

    def downloads(self, pattern: str = "*") -> list[str]:
        """`owner/name/file` of every file whose content was asked for."""
        asked = []
        for request in self.file_requests:
            path = request.path.removeprefix("/").removeprefix("datasets/")
            repo, _, rest = path.partition("/resolve/")
            target = f"{repo}/{rest.partition('/')[2]}"
            if request.method == "GET" and fnmatch(target, pattern):
                asked.append(target)
        return asked

    # ----- faults

    def fail(self, pattern: str, status: int, error_code: str | None = None) -> None:
        self.faults.append(Fault(pattern, status=status, error_code=error_code))

    def gate(self, repo_id: str) -> None:
        """As the hub does for a gated repository: its listing is public, its files are refused."""
        self.fail(f"{repo_id}/*", 403, "GatedRepo")

    def require_token(self, repo_id: str, token: str) -> None:
        """A private repository: without that token it does not seem to exist (401)."""
        self.tokens[repo_id] = token

    def cut(self, pattern: str, after: int, times: float = float("inf")) -> None:
        self.faults.append(Fault(pattern, cut_after=after, times=times))

    def truncate(self, pattern: str, to: int) -> None:
        self.faults.append(Fault(pattern, truncate_to=to))

    def slow_down(self, pattern: str, pause_s: float) -> None:
        self.faults.append(Fault(pattern, pause_s=pause_s))

    def send_headers(self, pattern: str, **headers: str) -> None:
        """Send these headers (`_` for `-`) instead of the file's own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(pattern, headers=named))

    def send_metadata(self, repo_id: str, body: bytes) -> None:
        self.faults.append(Fault(repo_id, body=body))

    def flip(self, pattern: str) -> None:
        self.faults.append(Fault(pattern, flip=True))

    def heal(self) -> None:
        self.faults.clear()

    def fault(self, target: str, *, content: bool) -> Fault:
        """The fault that strikes a target now; content faults are counted only when content is sent."""
        for fault in self.faults:
            if fnmatch(target, fault.pattern) and fault.times > 0:
                if content or fault.status:
                    fault.times -= 1
                return fault
        return Fault(target)

    # ----- repositories

    def add_revision(self, repo_id: str, name: str, folder: Path) -> str:
        """Serve `folder` as a branch or tag of a repository; returns its commit."""
        self.revisions[repo_id, name] = folder
        return self.commit(folder)

    def find(self, repo_id: str, revision: str) -> Path | None:
        """The folder of a repository at a branch, tag or commit."""
        named = {"main": self.folder / repo_id}
        named |= {name: folder for (repo, name), folder in self.revisions.items() if repo == repo_id}
        by_commit = {self.commit(folder): folder for folder in named.values()}
        return {**by_commit, **named}.get(revision)

    def commit(self, folder: Path) -> str:
        digest = hashlib.sha1()
        for name, data in self.files(folder).items():
            digest.update(f"{name} {_etag(data)} ".encode())
        return digest.hexdigest()

    def files(self, folder: Path) -> Mapping[str, bytes]:
        """Names and contents as they are served, truncation included."""
        contents = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                to = self._truncation(f"{folder.parent.name}/{folder.name}/{name}")
                contents[name] = path.read_bytes()[:to]
        return contents

    def _truncation(self, target: str) -> int | None:
        cuts = [fault.truncate_to for fault in self.faults if fnmatch(target, fault.pattern)]
        return next((to for to in cuts if to is not None), None)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class HubHandler(BaseHTTPRequestHandler):
    played: HubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        """What pushing takes: making a repository, asking how to send files, a commit with all of them."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.played.requests.append(Request("POST", path, token, None))
        fault = self.played.fault(f"POST {path}", content=False)
        if fault.status:
            return self._refuse(fault.status, fault.error_code)
        parts = path.strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            return self._create(json.loads(body))
        if parts == ["api", "validate-yaml"]:
            return self._tell({"errors": [], "warnings": []})
        if len(parts) != 6 or parts[:2] != ["api", "datasets"]:
            return self._refuse(404, "EntryNotFound")
        repo_id = "/".join(parts[2:4])
        if parts[4] == "preupload":
            how = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return self._tell({"files": [{"path": one["path"], **how} for one in json.loads(body)["files"]]})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                file = self.played.folder / repo_id / line["value"]["path"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(base64.b64decode(line["value"]["content"]))
        commit = self.played.commit(self.played.folder / repo_id)
        url = f"{self.played.url}/datasets/{repo_id}/commit/{commit}"
        return self._tell({"commitUrl": url, "commitOid": commit, "hookOutput": ""})

    def _create(self, asked: Mapping[str, object]) -> None:
        repo_id = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        folder = self.played.folder / str(repo_id)
        told = {"url": f"{self.played.url}/datasets/{repo_id}", "id": repo_id}
        if folder.is_dir():
            return self._tell(told, status=409)
        folder.mkdir(parents=True)
        # Which of the two names it has depends on the client's version.
        if not (asked.get("private") or asked.get("visibility") == "private"):
            self.played.public.add(str(repo_id))
        return self._tell(told)

    def _tell(self, data: object, status: int = 200) -> None:
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def log_message(self, format: str, *args: object) -> None:
        """The log is `HubServer.requests`."""

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.played.requests.append(Request(self.command, path, token, self.headers.get("Range")))
        parts = path.strip("/").split("/")
        if parts[:1] == ["datasets"]:  # which stand in the same folder as models
            parts = parts[1:]
        if parts[:1] == ["api"] and parts[1:2] in (["models"], ["datasets"]) and len(parts) >= 4:
            repo_id, rest = "/".join(parts[2:4]), parts[4:]
        elif len(parts) >= 5 and parts[2] == "resolve":
            repo_id, rest = "/".join(parts[:2]), parts[2:]
        else:
            return self._refuse(404, "EntryNotFound")
        if token != self.played.tokens.get(repo_id, token):
            return self._refuse(401, "RepoNotFound")
        if not (self.played.folder / repo_id).is_dir():
            return self._refuse(404, "RepoNotFound")
        revision = rest[1] if len(rest) > 1 else "main"
        folder = self.played.find(repo_id, revision)
        if folder is None:
            return self._refuse(404, "RevisionNotFound")
        if rest[:1] == ["resolve"]:
            return self._serve_file(repo_id, folder, "/".join(rest[2:]))
        return self._serve_metadata(repo_id, folder, tree=rest[:1] == ["tree"])

    def _serve_metadata(self, repo_id: str, folder: Path, *, tree: bool) -> None:
        fault = self.played.fault(repo_id, content=False)
        if fault.status:
            return self._refuse(fault.status, fault.error_code)
        if fault.body is not None:
            return self._send(200, fault.body, {"Content-Type": "application/json"})
        files = self.played.files(folder)
        data: object
        if tree:
            data = [
                {
                    "type": "file",
                    "path": name,
                    "size": len(content),
                    "oid": _etag(content)[:40],
                    **self._large(name, content, "oid"),
                }
                for name, content in files.items()
            ]
        else:
            data = {
                "id": repo_id,
                "private": repo_id not in self.played.public,
                "sha": self.played.commit(folder),
                "siblings": [
                    {
                        "rfilename": name,
                        "size": len(content),
                        "blobId": _etag(content)[:40],
                        **self._large(name, content, "sha256"),
                    }
                    for name, content in files.items()
                ],
            }
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _large(self, name: str, content: bytes, key: str) -> dict[str, object]:
        if not any(fnmatch(name, pattern) for pattern in self.played.large):
            return {}
        return {"lfs": {key: _etag(content), "size": len(content), "pointerSize": 134}}

    def _serve_file(self, repo_id: str, folder: Path, filename: str) -> None:
        fault = self.played.fault(f"{repo_id}/{filename}", content=self.command == "GET")
        if fault.status:
            return self._refuse(fault.status, fault.error_code)
        commit = self.played.commit(folder)
        content = self.played.files(folder).get(filename)
        if content is None:
            return self._refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
        headers = {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        headers |= fault.headers
        if fault.flip:
            content = bytes([content[0] ^ 1]) + content[1:]
        asked = self.headers.get("Range")
        if asked is None:
            return self._send(200, content, headers, fault)
        start = int(asked.removeprefix("bytes=").partition("-")[0])
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(206, content[start:], headers, fault)

    def _refuse(self, status: int, code: str | None, headers: Mapping[str, str] | None = None) -> None:
        named = {"X-Error-Code": code, "X-Error-Message": f"refused by the test: {code}"} if code else {}
        self._send(status, b"{}", {**named, **(headers or {})})

    def _send(
        self, status: int, content: bytes, headers: Mapping[str, str], fault: Fault | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        fault = fault or Fault("")
        try:
            self._write(content[: fault.cut_after], fault.pause_s)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up
        if fault.cut_after is not None:
            self.close_connection = True

    def _write(self, content: bytes, pause_s: float) -> None:
        if not pause_s:
            self.wfile.write(content)
            return
        for start in range(0, len(content), SLOW_CHUNK_BYTES):
            self.wfile.write(content[start : start + SLOW_CHUNK_BYTES])
            time.sleep(pause_s)


HubServer.handler = HubHandler
