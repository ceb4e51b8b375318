# SPDX-License-Identifier: Apache-2.0
"""What the steps of one build have at hand."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from sampan.build.attestation.facts import BuildFacts
from sampan.build.blocking import Blocking
from sampan.build.cache import BuildCache, Result
from sampan.build.cache_mounts import CacheMounts
from sampan.build.files.copy import Written
from sampan.build.files.digests import FileDigests
from sampan.build.git import GitCache
from sampan.build.kept import KeptContexts
from sampan.build.remote import Fetched
from sampan.build.reproducible import Times
from sampan.build.seams import Executor, GivenSecrets, NoAgents, Secrets, SshAgents, StepLimits
from sampan.linux.tree import remove_tree
from sampan.snapshot.store import SnapshotStore

if TYPE_CHECKING:
    from sampan.build.caches.inbound import Imports
    from sampan.build.comparing import Comparison

_MIN_MANIFEST = 16


class Workplace:
    """The builder's own folder below the data root: downloads, cache mounts, what copies wrote."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.empty = f"{root}/empty"
        self.temporary = f"{root}/tmp"
        self.manifests = f"{root}/manifests"
        self.mounts = f"{root}/mounts"
        self.downloads = f"{root}/downloads"
        for path in (root, self.empty, self.temporary, self.manifests, self.mounts, self.downloads):
            os.makedirs(path, mode=0o700, exist_ok=True)
        self.cache_mounts = CacheMounts(self.mounts, self.temporary)
        self._private: set[str] = set()
        self.contexts = KeptContexts(f"{root}/contexts")
        self.repositories = GitCache(f"{root}/repositories")
        self.digests = FileDigests(f"{root}/digests")

    @contextmanager
    def temporary_folder(self) -> Iterator[str]:
        """A folder that is gone after the block."""
        path = tempfile.mkdtemp(dir=self.temporary)
        try:
            yield path
        finally:
            remove_tree(path)

    @contextmanager
    def secret_folder(self) -> Iterator[str]:
        """The same in memory: what is in it must not reach a disk."""
        memory = "/dev/shm"
        path = tempfile.mkdtemp(dir=memory if os.path.isdir(memory) else self.temporary, prefix="sampan-")
        try:
            yield path
        finally:
            remove_tree(path)

    @asynccontextmanager
    async def private_mount(self, path: str) -> AsyncIterator[str]:
        """A cache mount that nobody else uses now: the first, or one more beside it."""
        number = 0
        while (mine := f"{path}.{number}" if number else path) in self._private:
            number += 1
        self._private.add(mine)
        try:
            yield mine
        finally:
            self._private.discard(mine)

    def save_manifest(self, identity: str, written: Mapping[str, Written]) -> None:
        """Remember what a copy wrote; for a few files that is not worth it."""
        if len(written) < _MIN_MANIFEST:
            return
        temporary = f"{self.manifests}/.{identity}"
        with open(temporary, "wb") as file:
            # Names are bytes: not every file name is a text.
            file.write(msgspec.msgpack.encode({os.fsencode(name): one for name, one in written.items()}))
        os.replace(temporary, f"{self.manifests}/{identity}")

    def load_manifest(self, identity: str) -> dict[str, Written]:
        """What `save_manifest` was told; nothing if it was not."""
        try:
            with open(f"{self.manifests}/{identity}", "rb") as file:
                files = msgspec.msgpack.decode(file.read(), type=dict[bytes, Written])
        except (OSError, msgspec.MsgspecError):
            return {}
        return {os.fsdecode(name): one for name, one in files.items()}

    def download_folder(self, url: str) -> str:
        """Where the last download of a URL is kept."""
        return f"{self.downloads}/{hashlib.sha256(url.encode()).hexdigest()[:32]}"

    def known_download(self, url: str) -> dict[str, str]:
        """What the server said of the download that is kept; nothing if none is."""
        try:
            with open(self.download_folder(url) + ".json", "rb") as file:
                return msgspec.json.decode(file.read(), type=dict[str, str])
        except (OSError, msgspec.MsgspecError):
            return {}

    def keep_download(self, url: str, fetched: Fetched) -> None:
        """Put a download in place of an older one; what is said of it comes last."""
        folder = self.download_folder(url)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder + ".json")
        remove_tree(folder)
        os.mkdir(folder, 0o700)
        os.rename(f"{fetched.folder}/{fetched.name}", f"{folder}/{fetched.name}")
        with open(folder + ".json.new", "wb") as file:
            file.write(msgspec.json.encode(dict(fetched.validators)))
        os.replace(folder + ".json.new", folder + ".json")

    def sweep(self, identities: set[str]) -> None:
        """At start-up: remove what builds that died left behind."""
        for name in os.listdir(self.temporary):
            remove_tree(f"{self.temporary}/{name}")
        self.repositories.sweep()
        self.forget_manifests(identities)

    def forget_manifests(self, identities: set[str]) -> None:
        """Remove the manifests of all other results."""
        for name in os.listdir(self.manifests):
            if name not in identities:
                os.unlink(f"{self.manifests}/{name}")


@dataclass(frozen=True, slots=True)
class StepServices:
    """The engine's stores and executor, and what the request says for all steps.

    `made` are the results of this very build by their keys, which count also where the cache does not: the
    stages of several platforms share steps.
    """

    snapshots: SnapshotStore
    cache: BuildCache
    executor: Executor
    workplace: Workplace
    blocking: Blocking
    no_cache: bool = False
    network: str = "default"
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int | None = None
    limits: StepLimits = field(default_factory=StepLimits)
    host_ca: bool | None = None
    proxy_env: Mapping[str, str] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=GivenSecrets)
    agents: SshAgents = field(default_factory=NoAgents)
    imports: Imports | None = None
    inline_cache: bool = False
    times: Times = field(default_factory=Times)
    comparison: Comparison | None = None
    facts: BuildFacts = field(default_factory=BuildFacts)
    made: dict[str, Result] = field(default_factory=dict)

    def folder(self, result: Result) -> str:
        """The directory of a result's own tree, which stays whatever it is called."""
        return self.cache.with_snapshot(result, lambda name: self.snapshots.fs_path(name or ""))

    def parent_folder(self, result: Result) -> str | None:
        """The directory of the tree that the result was made on."""

        def find(name: str | None) -> str | None:
            parent = self.snapshots.stat(name or "").parent
            return self.snapshots.fs_path(parent) if parent else None

        return self.cache.with_snapshot(result, find)

    def lowers(self, result: Result) -> tuple[str, ...]:
        """The directories of a result's tree, uppermost first."""
        return self.cache.with_snapshot(result, self.snapshots.lowers)

    @contextmanager
    def active(self, parent: Result | None) -> Iterator[str]:
        """A new active snapshot on a result; gone after the block unless it has been committed."""
        key = f"build-active-{secrets.token_hex(8)}"
        if parent is None:
            self.snapshots.prepare(key, None)
        else:
            self.cache.with_snapshot(parent, lambda name: self.snapshots.prepare(key, name))
        try:
            yield key
        finally:
            if self.snapshots.exists(key):
                self.snapshots.remove(key, deferred=True)
