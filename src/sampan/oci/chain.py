# SPDX-License-Identifier: Apache-2.0
"""Chain IDs: the name of a stack of layers, and so of the root filesystem they make.

Implements: OCI image-spec 1.1, config.md, "Layer ChainID".
"""

from __future__ import annotations

from collections.abc import Iterable

from sampan.oci.digest import Digest


def next_chain_id(parent: Digest | None, diff_id: Digest) -> Digest:
    """The chain ID of one more layer on top of `parent` (None: on top of nothing)."""
    if parent is None:
        return diff_id
    return Digest.of(f"{parent} {diff_id}".encode())


def chain_ids(diff_ids: Iterable[Digest]) -> tuple[Digest, ...]:
    """The chain ID after each layer, lowest first."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(next_chain_id(chain[-1] if chain else None, diff_id))
    return tuple(chain)


def chain_id(diff_ids: Iterable[Digest]) -> Digest | None:
    """The chain ID of the whole stack; None for no layers at all (``FROM scratch``)."""
    chain = chain_ids(diff_ids)
    return chain[-1] if chain else None
