# SPDX-License-Identifier: Apache-2.0
"""Calls below /images, and the build."""

from __future__ import annotations

from sampan.client.api import as_list
from sampan.client.jsontext import encode_json
from sampan.client.query import quote, quote_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sampan.client.answer import Answer
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json
    from sampan.client.query import Parameter

    Filters = Mapping[str, Sequence[str]]
    Jsons = list[Json]  # inside the class below, `list` is its method

_TAR = {"Content-Type": "application/x-tar"}


def _of(name: str, rest: str = "") -> str:
    return f"/images/{quote_path(name)}{rest}"


def split_name(name: str) -> tuple[str, str]:
    """``repository:tag`` in two; a colon before a slash is a registry's port."""
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "")


def split_reference(name: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image's name, as ``/images/create`` wants them."""
    repository, at, digest = name.partition("@")
    if at:
        return repository, digest
    repository, tag = split_name(name)
    return repository, tag or "latest"


def _platform(text: str) -> str | None:
    """``linux/arm64/v8`` as the JSON that newer calls take; create, pull and import take the words."""
    if not text:
        return None
    names = ("os", "architecture", "variant")
    return encode_json(dict(zip(names, text.split("/"), strict=False))).decode()


class Images:
    """An image is named by a reference, its id or the beginning of its id."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(
        self,
        *,
        every: bool = False,
        digests: bool = False,
        manifests: bool = False,
        filters: Filters | None = None,
    ) -> Jsons:
        """Images, newest first; `manifests`: with what each stands for on other platforms."""
        query = {"all": every, "digests": digests, "manifests": manifests, "filters": filters}
        return as_list(self._engine.get("/images/json", query))

    def inspect(self, name: str, *, platform: str = "") -> Json:
        """Everything about one."""
        found: Json = self._engine.get(_of(name, "/json"), {"platform": _platform(platform)})
        return found

    def history(self, name: str, *, platform: str = "") -> Jsons:
        """How its layers came to be, newest first."""
        return as_list(self._engine.get(_of(name, "/history"), {"platform": _platform(platform)}))

    def tag(self, source: str, repository: str, tag: str) -> None:
        """Give it one more name."""
        self._engine.post(_of(source, "/tag"), {"repo": repository, "tag": tag or None})

    def remove(
        self, name: str, *, force: bool = False, keep_parents: bool = False, platforms: Sequence[str] = ()
    ) -> Jsons:
        """Take a name away, and the image with its last name: what was Untagged and Deleted."""
        query: Mapping[str, Parameter] = {
            "force": force,
            "noprune": keep_parents,
            "platforms": [_platform(one) or "" for one in platforms],
        }
        return as_list(self._engine.delete(_of(name), query))

    def pull(self, repository: str, tag: str, *, platform: str = "", credentials: str = "") -> Answer:
        """Fetch from a registry; progress as JSON lines."""
        query = {"fromImage": repository, "tag": tag or None, "platform": platform or None}
        fields = {"X-Registry-Auth": credentials} if credentials else {}
        return self._engine.call("POST", "/images/create", query, fields=fields)

    def push(self, repository: str, tag: str, *, platform: str = "", credentials: str = "") -> Answer:
        """Send to a registry, one tag or all; progress as JSON lines."""
        query = {"tag": tag or None, "platform": _platform(platform)}
        return self._engine.call(
            "POST", _of(repository, "/push"), query, fields={"X-Registry-Auth": credentials or "e30="}
        )

    def search(
        self, term: str, *, limit: int = 0, filters: Filters | None = None, credentials: str = ""
    ) -> Jsons:
        """Repositories on the Hub."""
        query = {"term": term, "limit": str(limit) if limit else None, "filters": filters}
        fields = {"X-Registry-Auth": credentials} if credentials else {}
        return as_list(self._engine.call("GET", "/images/search", query, fields=fields).json())

    def distribution(self, name: str, credentials: str = "") -> Json:
        """What a registry has by a name, with the manifest as text."""
        fields = {"X-Registry-Auth": credentials} if credentials else {}
        path = f"/distribution/{quote_path(name)}/json"
        found: Json = self._engine.call("GET", path, {"sampan.manifest": True}, fields=fields).json()
        return found

    def import_tar(self, query: Mapping[str, Parameter], body: Iterable[bytes] | None) -> Answer:
        """Make an image of a filesystem's tar archive; progress as JSON lines."""
        return self._engine.call("POST", "/images/create", query, body=body, fields=_TAR)

    def load(self, body: Iterable[bytes], *, quiet: bool, platform: str = "") -> Answer:
        """Read images from an archive; progress as JSON lines."""
        query = {"quiet": "1" if quiet else "0", "platform": _platform(platform)}
        return self._engine.call("POST", "/images/load", query, body=body, fields=_TAR)

    def save(self, names: Sequence[str], *, platform: str = "", originals: bool = False) -> Answer:
        """Images as one archive; `originals` (of our engine only): with the manifests and blobs they came with."""
        query = {"names": names, "platform": _platform(platform), "sampan.originals": originals or None}
        return self._engine.call("GET", "/images/get", query)

    def build(
        self,
        query: Mapping[str, Parameter],
        body: bytes | Iterable[bytes] | None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """Build from a context archive; progress as JSON lines."""
        return self._engine.call("POST", "/build", query, body=body, fields={**_TAR, **(fields or {})})

    def prune(self, *, filters: Filters | None = None) -> Json:
        """Remove what no container uses."""
        pruned: Json = self._engine.post("/images/prune", {"filters": filters})
        return pruned

    def prune_build_cache(
        self,
        *,
        every: bool = False,
        filters: Filters | None = None,
        limits: Mapping[str, Parameter] | None = None,
    ) -> Json:
        """Remove what builds kept for the next one; with `limits` until the rest is small enough."""
        query = {"all": every, "filters": filters, **(limits or {})}
        pruned: Json = self._engine.post("/build/prune", query)
        return pruned

    def move_build_cache(
        self, way: str, place: str, *, mounts: bool, fields: Mapping[str, str] | None = None
    ) -> Json:
        """``export`` the build cache to a place, or ``import`` it."""
        query: dict[str, Parameter] = {"place": place, "mounts": mounts}
        moved: Json = self._engine.call("POST", f"/build/cache/{way}", query, fields=fields or {}).json()
        return moved

    def build_history(self, filters: Sequence[str] = ()) -> Jsons:
        """The builds that there were and those under way, the last one first."""
        return as_list(self._engine.call("GET", "/build/history", {"filter": list(filters)}).json())

    def inspect_build(self, ref: str) -> Json:
        """All that is known of one build; ``^0`` is the last one."""
        found: Json = self._engine.call("GET", f"/build/history/{quote(ref)}").json()
        return found

    def build_log(self, ref: str) -> Answer:
        """The events of one build as JSON lines, to its end."""
        return self._engine.call("GET", f"/build/history/{quote(ref)}/logs")

    def forget_build(self, ref: str) -> None:
        """Remove one build from the history."""
        self._engine.call("DELETE", f"/build/history/{quote(ref)}")

    def commit(self, query: Mapping[str, Parameter], body: Json) -> Json:
        """Make an image of a container."""
        made: Json = self._engine.post("/commit", query, json=body)
        return made
