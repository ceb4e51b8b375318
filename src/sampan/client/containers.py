# SPDX-License-Identifier: Apache-2.0
"""Calls below /containers."""

from __future__ import annotations

from sampan.client.api import as_list
from sampan.client.query import quote_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sampan.client.answer import Answer
    from sampan.client.api import Engine
    from sampan.client.http import Hijacked
    from sampan.client.jsontext import Json
    from sampan.client.query import Parameter

    Filters = Mapping[str, Sequence[str]]
    Jsons = list[Json]  # inside the class below, `list` is its method


def _of(name: str, rest: str = "") -> str:
    return f"/containers/{quote_path(name)}{rest}"


class Containers:
    """A container is named by its name, its id or the beginning of its id."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(
        self, *, every: bool = False, limit: int = 0, size: bool = False, filters: Filters | None = None
    ) -> Jsons:
        """Containers, newest first."""
        query = {"all": every, "limit": limit or None, "size": size, "filters": filters}
        return as_list(self._engine.get("/containers/json", query))

    def create(self, body: Json, *, name: str = "", platform: str = "") -> Json:
        """Create one; gives its Id and Warnings."""
        query = {"name": name or None, "platform": platform or None}
        created: Json = self._engine.post("/containers/create", query, json=body)
        return created

    def inspect(self, name: str, *, size: bool = False) -> Json:
        """Everything about one."""
        found: Json = self._engine.get(_of(name, "/json"), {"size": size})
        return found

    def start(self, name: str, *, detach_keys: str = "") -> None:
        """Start one; no error when it already runs."""
        self._engine.post(_of(name, "/start"), {"detachKeys": detach_keys or None})

    def stop(self, name: str, *, signal: str = "", timeout_s: int | None = None) -> None:
        """Stop one; no error when it does not run."""
        self._engine.post(_of(name, "/stop"), {"signal": signal or None, "t": timeout_s})

    def restart(self, name: str, *, signal: str = "", timeout_s: int | None = None) -> None:
        """Stop and start one."""
        self._engine.post(_of(name, "/restart"), {"signal": signal or None, "t": timeout_s})

    def kill(self, name: str, *, signal: str = "") -> None:
        """Send a signal, SIGKILL by default."""
        self._engine.post(_of(name, "/kill"), {"signal": signal or None})

    def pause(self, name: str) -> None:
        """Freeze all of its processes."""
        self._engine.post(_of(name, "/pause"))

    def unpause(self, name: str) -> None:
        """Let its processes go on."""
        self._engine.post(_of(name, "/unpause"))

    def rename(self, name: str, new_name: str) -> None:
        """Give it another name."""
        self._engine.post(_of(name, "/rename"), {"name": new_name})

    def remove(self, name: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
        """Remove it; `force` kills it first, `volumes` takes its anonymous volumes along."""
        self._engine.delete(_of(name), {"force": force, "v": volumes, "link": link})

    def resize(self, name: str, *, rows: int, columns: int) -> None:
        """Tell its terminal the size of ours."""
        self._engine.post(_of(name, "/resize"), {"h": str(rows), "w": str(columns)})

    def wait(self, name: str, *, condition: str = "") -> Answer:
        """The head comes at once, the JSON with StatusCode when it has happened."""
        return self._engine.call("POST", _of(name, "/wait"), {"condition": condition or None})

    def logs(self, name: str, query: Mapping[str, Parameter]) -> Answer:
        """Its output so far, and what follows when asked to."""
        return self._engine.call("GET", _of(name, "/logs"), query)

    def attach(self, name: str, query: Mapping[str, Parameter]) -> Hijacked:
        """Its live streams."""
        return self._engine.hijack(_of(name, "/attach"), query)

    def exec(self, name: str, body: Json) -> str:
        """Prepare a process in it; gives the exec's id."""
        return str(self._engine.post(_of(name, "/exec"), json=body)["Id"])

    def top(self, name: str, *, ps_args: str = "") -> Json:
        """Titles and rows of ps(1) about its processes."""
        table: Json = self._engine.get(_of(name, "/top"), {"ps_args": ps_args or None})
        return table

    def stats(self, name: str, *, stream: bool, one_shot: bool = False) -> Answer:
        """What it uses, once or again and again."""
        query: Mapping[str, Parameter] = {"stream": "true" if stream else "false", "one-shot": one_shot}
        return self._engine.call("GET", _of(name, "/stats"), query)

    def changes(self, name: str) -> Jsons:
        """Paths that differ from its image."""
        return as_list(self._engine.get(_of(name, "/changes")))

    def export(self, name: str) -> Answer:
        """Its filesystem as a tar archive."""
        return self._engine.call("GET", _of(name, "/export"))

    def stat_path(self, name: str, path: str) -> Answer:
        """What a path in it is, in the field X-Docker-Container-Path-Stat."""
        return self._engine.call("HEAD", _of(name, "/archive"), {"path": path})

    def get_archive(self, name: str, path: str) -> Answer:
        """A path in it as a tar archive."""
        return self._engine.call("GET", _of(name, "/archive"), {"path": path})

    def put_archive(self, name: str, path: str, body: Iterable[bytes], *, copy_owners: bool = False) -> None:
        """Extract a tar archive into a folder of it."""
        query: Mapping[str, Parameter] = {
            "path": path,
            "noOverwriteDirNonDir": "true",
            "copyUIDGID": copy_owners,
        }
        fields = {"Content-Type": "application/x-tar"}
        self._engine.call("PUT", _of(name, "/archive"), query, body=body, fields=fields).read()

    def update(self, name: str, body: Json) -> Json:
        """Change limits and restart policy of one."""
        changed: Json = self._engine.post(_of(name, "/update"), json=body)
        return changed

    def prune(self, *, filters: Filters | None = None) -> Json:
        """Remove all that do not run."""
        pruned: Json = self._engine.post("/containers/prune", {"filters": filters})
        return pruned
