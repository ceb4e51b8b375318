# SPDX-License-Identifier: Apache-2.0
"""The three files that the engine puts into every container: hosts, hostname, resolv.conf.

Written anew at each start, for addresses change; the container may write them, and its own mounts win over
them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.engine.model import Container

if TYPE_CHECKING:
    from sampan.engine.networks import Networks


def write_container_files(container: Container, data_dir: str, networks: Networks) -> dict[str, str]:
    """Write them and say where they go: destination → source."""
    os.makedirs(data_dir, mode=0o710, exist_ok=True)
    hosts, resolv_conf = networks.host_files(container)
    contents = {"hosts": hosts, "hostname": container.config.hostname + "\n", "resolv.conf": resolv_conf}
    files: dict[str, str] = {}
    for name, text in contents.items():
        path = f"{data_dir}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
        files[f"/etc/{name}"] = path
    return files
