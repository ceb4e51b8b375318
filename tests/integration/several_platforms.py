# SPDX-License-Identifier: Apache-2.0
"""A project that builds for several platforms without programs of theirs, and skopeo, which reads what came of it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

BOTH = ("--platform", "linux/amd64,linux/arm64")
DOCKERFILE = """\
FROM --platform=$BUILDPLATFORM busybox AS make
ARG TARGETARCH
RUN mkdir /out && echo "for $TARGETARCH" >/out/arch
FROM scratch
COPY --from=make /out /
COPY file /
WORKDIR /work
LABEL made=here
"""


def inspect(place: str, *options: str, raw: bool = True) -> Any:
    words = ["skopeo", "inspect", "--tls-verify=false", *(["--raw"] if raw else []), *options, place]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def platforms_of(index: dict[str, Any]) -> list[str]:
    return [f"{one['platform']['os']}/{one['platform']['architecture']}" for one in index["manifests"]]
