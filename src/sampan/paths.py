# SPDX-License-Identifier: Apache-2.0
"""Where things lie on disk.

Everything an engine owns is below two directories: the data root, which survives a reboot, and the run root,
which does not need to. Two engines with different roots never touch each other's things.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Roots:
    """The data root and the run root of one engine, and the places below them (absolute paths)."""

    __slots__ = ("data", "run")

    def __init__(self, data: str, run: str) -> None:
        self.data = os.path.abspath(data)
        self.run = os.path.abspath(run)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, data_root: str | None = None, run_root: str | None = None
    ) -> Roots:
        """Flags win over SAMPAN_DATA_ROOT and SAMPAN_RUN_ROOT, those over the defaults of root or rootless."""
        data = data_root or environ.get("SAMPAN_DATA_ROOT") or default_data_root(environ, os.geteuid())
        run = run_root or environ.get("SAMPAN_RUN_ROOT") or default_run_root(environ, os.geteuid())
        return cls(data, run)

    @property
    def content(self) -> str:
        """The OCI image layout that holds every blob."""
        return self.data + "/content"

    @property
    def snapshots(self) -> str:
        """One directory a snapshot."""
        return self.data + "/snapshots"

    @property
    def seccomp(self) -> str:
        """Compiled seccomp filters, by the hash of what they were compiled from."""
        return self.data + "/seccomp"

    @property
    def volumes(self) -> str:
        """One directory a named volume."""
        return self.data + "/volumes"

    @property
    def containers(self) -> str:
        """What a container keeps across reboots: logs, hosts, hostname, resolv.conf."""
        return self.data + "/containers"

    @property
    def state_db(self) -> str:
        """The SQLite database of everything that has a name."""
        return self.data + "/state.db"

    @property
    def socket(self) -> str:
        """The engine's unix socket."""
        return self.run + "/engine.sock"

    @property
    def pid_file(self) -> str:
        """The engine's process id, locked while it runs."""
        return self.run + "/engine.pid"

    @property
    def log_file(self) -> str:
        """What an engine that was started in the background prints."""
        return self.run + "/engine.log"

    @property
    def shim_log(self) -> str:
        """What the launcher and its shims say before they die."""
        return self.run + "/shim.log"

    @property
    def launcher_lock(self) -> str:
        """Held by the launcher, and by whoever is making a container."""
        return self.run + "/launcher.lock"

    @property
    def names_socket(self) -> str:
        """Where the name server is told what to answer, and where."""
        return self.run + "/names.sock"

    @property
    def names_log(self) -> str:
        """What the name server says before it dies."""
        return self.run + "/names.log"

    @property
    def running(self) -> str:
        """What a running container needs: bundle, shim socket, exit status."""
        return self.run + "/containers"


def default_data_root(environ: Mapping[str, str], uid: int) -> str:
    """``/var/lib/sampan`` for root, below XDG_DATA_HOME for everybody else."""
    if uid == 0:
        return "/var/lib/sampan"
    base = environ.get("XDG_DATA_HOME") or environ.get("HOME", "/tmp") + "/.local/share"
    return base + "/sampan"


def default_run_root(environ: Mapping[str, str], uid: int) -> str:
    """``/run/sampan`` for root, below XDG_RUNTIME_DIR for everybody else."""
    if uid == 0:
        return "/run/sampan"
    base = environ.get("XDG_RUNTIME_DIR")
    return base + "/sampan" if base else f"/tmp/sampan-{uid}"
