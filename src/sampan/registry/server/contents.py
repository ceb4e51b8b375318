# SPDX-License-Identifier: Apache-2.0
"""What the manifests of a cache consist of: a blob is fetched only if one of them names it.

Holds: each manifest is read once, or each time if it is one of the few large ones, so memory is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.registry.server.storage.index import Record
from sampan.registry.server.storage.repository import Repository

_KEPT_MANIFESTS, _MOST_KEPT_BLOBS = 4096, 100


class Contents:
    """What manifests consist of, as far as this process has read them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Mapping[Digest, Descriptor]] = OrderedDict()

    def find(self, repository: Repository, digest: Digest) -> Descriptor | None:
        """What a manifest says of a blob: only such are fetched."""
        for record in repository.index().manifests.values():
            found = self._blobs(repository, record).get(digest)
            if found is not None:
                return found
        return None

    def _blobs(self, repository: Repository, record: Record) -> Mapping[Digest, Descriptor]:
        known = self._known.get(record.digest)
        if known is not None:
            return known
        try:
            blobs = {blob.digest: blob for blob in repository.document(record).blobs}
        except FileNotFoundError:  # deleted meanwhile
            return {}
        if len(blobs) <= _MOST_KEPT_BLOBS:
            self._known[record.digest] = blobs
            if len(self._known) > _KEPT_MANIFESTS:
                self._known.popitem(last=False)
        return blobs
