# SPDX-License-Identifier: Apache-2.0
"""Cache keys: the digest of everything that decides what a step makes, and of nothing else.

A key begins with the identity of the tree that the step starts from. What is copied or bind-mounted counts by
content, so that a stage that ran again with the same output changes nothing. Times (but where a build sets them),
the owners of context files, the values of secrets, proxy arguments, the host's CA bundle and lines that only change
the image's config are in no key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from sampan.build.dockerfile.mounts import RunMount
from sampan.build.steps import CopyStep, RunStep, WorkdirStep

_VERSION = 1


def run_key(
    parent: str,
    step: RunStep,
    mounts: Iterable[str],
    *,
    network: str,
    hosts: tuple[str, ...],
    foreign: str = "",
) -> str:
    """RUN: the program, its environment (build arguments in scope included), and its mounts.

    `foreign` is the platform of a step that another machine's programs are run for.
    """
    return _key(
        "run",
        parent,
        step.arguments,
        sorted(step.env),
        step.cwd,
        step.user,
        network,
        step.script,
        list(mounts),
        hosts,
        *([foreign] if foreign else []),
    )


def mount_part(mount: RunMount, content: str) -> str:
    """One mount of a RUN: what it is and, for a bind mount, what is in it."""
    return _key(
        "mount",
        mount.kind,
        mount.target,
        mount.readonly,
        mount.id,
        mount.sharing,
        mount.required,
        mount.env,
        mount.mode,
        mount.uid,
        mount.gid,
        content,
    )


def copy_key(parent: str, step: CopyStep, contents: Iterable[str]) -> str:
    """COPY and ADD: what is written, and where to."""
    documents = [(document.name, document.text) for document in step.documents]
    return _key(
        "copy",
        parent,
        step.destination,
        step.chown,
        step.chmod,
        step.link,
        step.parents,
        step.unpack,
        step.unpack_remote,
        list(contents),
        documents,
    )


def copy_alias(parent: str, step: CopyStep, origin: str) -> str:
    """The same by where the files come from: found without reading them."""
    return _key("copy-alias", copy_key(parent, step, ()), origin, step.sources, step.exclude)


def copy_signature(step: CopyStep, place: str) -> str:
    """Which line of which project this is, whatever the files are."""
    return _key("copy-signature", copy_key("", step, ()), place, step.sources, step.exclude)


def workdir_key(parent: str, step: WorkdirStep) -> str:
    """WORKDIR: the folder and who owns it."""
    return _key("workdir", parent, step.path, step.user)


def dated_key(key: str, latest_ns: int) -> str:
    """The key of a step whose files are made no younger than that."""
    return _key("dated", key, latest_ns)


def _key(*parts: object) -> str:
    encoded = json.dumps([_VERSION, *parts], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(encoded.encode("utf-8", "surrogateescape")).hexdigest()
