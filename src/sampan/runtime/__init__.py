# SPDX-License-Identifier: Apache-2.0
"""The OCI runtime: sees a bundle and nothing else (runtime-spec 1.2).

`create` makes the container, `Init.start` lets its program run, `exec_process` adds another, `delete` clears
away. `sampan-runtime` (`command`) is runc's command line on top of these.
"""

from sampan.runtime.container import Init, create, delete, read_config
from sampan.runtime.copyup import copy_up
from sampan.runtime.execute import Process, exec_process
from sampan.runtime.failure import ExecFailed, SetupFailed
from sampan.runtime.user import User, resolve_user

__all__ = [
    "ExecFailed",
    "Init",
    "Process",
    "SetupFailed",
    "User",
    "copy_up",
    "create",
    "delete",
    "exec_process",
    "read_config",
    "resolve_user",
]
