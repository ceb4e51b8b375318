# SPDX-License-Identifier: Apache-2.0
"""The three files that the engine puts into every container: hosts, hostname, resolv.conf.

Written anew at each start, for addresses change; the container may write them, and its own mounts win over
them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.engine.hostfiles import format_hosts_file, format_resolv_conf
from sampan.engine.model import Container

if TYPE_CHECKING:
    from sampan.engine.memberships import Memberships


def write_container_files(
    container: Container, data_dir: str, memberships: Memberships, links: Sequence[str] = ()
) -> dict[str, str]:
    """Write them and say where they go: destination → source."""
    contents = {
        "hosts": format_hosts_file(container, memberships, links),
        "hostname": container.config.hostname + "\n",
        "resolv.conf": format_resolv_conf(container, memberships),
    }
    for name, text in contents.items():
        path = f"{data_dir}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
    return container_files(data_dir)


def container_files(data_dir: str) -> dict[str, str]:
    """Where the files of a container go, or of all those that share its network: destination → source."""
    return {f"/etc/{name}": f"{data_dir}/{name}" for name in ("hosts", "hostname", "resolv.conf")}
