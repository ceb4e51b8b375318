# SPDX-License-Identifier: Apache-2.0
"""Which seccomp profile a container gets, as the runtime-spec's `linux.seccomp`.

The default profile depends on the capabilities and the kernel only, so it is resolved once for each set of
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sampan.engine.security import UNCONFINED
from sampan.errors import InvalidArgument
from sampan.runtime.seccomp_profile import docker_profile_to_oci, load_default_profile


class SeccompProfiles:
    """Resolved profiles by the capabilities they were resolved for."""

    def __init__(self) -> None:
        self._resolved: dict[frozenset[str], dict[str, Any]] = {}

    def choose(self, wanted: str, capabilities: Sequence[str], *, privileged: bool) -> dict[str, Any] | None:
        """`wanted` is "" for the default, "unconfined", or the JSON of a profile; None filters nothing."""
        if wanted == UNCONFINED or (privileged and not wanted):
            return None
        if wanted:
            return _resolve(_parse(wanted), capabilities)
        key = frozenset(capabilities)
        if key not in self._resolved:
            self._resolved[key] = _resolve(load_default_profile(), capabilities)
        return self._resolved[key]


def _parse(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from None


def _resolve(profile: dict[str, Any], capabilities: Sequence[str]) -> dict[str, Any]:
    if "architectures" in profile and "archMap" not in profile and "defaultAction" not in profile:
        raise InvalidArgument("seccomp profile has no defaultAction")
    return docker_profile_to_oci(profile, capabilities)
