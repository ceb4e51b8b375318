# SPDX-License-Identifier: Apache-2.0
"""The packages that a recipe is made of, in a folder that apt reads: for machines that reach no mirror.

apt itself chooses and checks them, with a state of its own in which nothing is installed; nothing of the machine's
packages is touched. What comes out is a flat repository: ``SUITE/*.deb`` and ``SUITE/Packages``.
Holds: the packages were signed for when they were fetched; the folder is trusted by who names it as a mirror.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping

from sampan.bootstrap.host import HostFacts
from sampan.bootstrap.recipe import Recipe
from sampan.errors import Internal, Unavailable

_DEFAULT_MIRROR = "http://deb.debian.org/debian"
_CHUNK_BYTES = 1 << 20


def fetch_packages(recipe: Recipe, host: HostFacts, folder: str, *, environ: Mapping[str, str]) -> int:
    """Fetch what the recipe installs into ``folder/SUITE``; how many packages are there now."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed", hint="packages are fetched on a Debian machine")
    target = f"{folder}/{recipe.suite}"
    os.makedirs(target, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sampan-packages-") as work:
        os.chmod(work, 0o755)  # apt fetches as another user
        environment = {**environ, "APT_CONFIG": _write_settings(work, recipe, host), "LC_ALL": "C.UTF-8"}
        _run(recipe, ["apt-get", "-q", "update"], environment)
        _run(recipe, ["apt-get", "-q", "-y", "--download-only", "install", *_wanted(recipe)], environment)
        for path in glob.glob(f"{work}/cache/archives/*.deb"):
            shutil.move(path, f"{target}/{os.path.basename(path)}")
    return index_packages(target)


def index_packages(folder: str) -> int:
    """Write the folder's ``Packages``; how many packages it lists."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".deb"))
    beside = f"{folder}/Packages.new"
    with open(beside, "w", encoding="utf-8") as out:
        out.writelines(_stanza(folder, name) for name in names)
    os.replace(beside, f"{folder}/Packages")
    return len(names)


def _wanted(recipe: Recipe) -> list[str]:
    """What mmdebstrap's variant installs by itself, and the recipe's own."""
    base = [] if recipe.variant == "extract" else ["?essential", "apt"]
    return [*base, *recipe.packages]


def _write_settings(work: str, recipe: Recipe, host: HostFacts) -> str:
    for name in ("state/lists/partial", "cache/archives/partial", "parts"):
        os.makedirs(f"{work}/{name}")
    open(f"{work}/status", "w").close()
    sources = host.sources(recipe.suite) or (f"deb {_DEFAULT_MIRROR} {recipe.suite} main",)
    with open(f"{work}/sources.list", "w", encoding="utf-8") as file:
        file.write("\n".join(sources) + "\n")
    settings = {
        "Dir::State": f"{work}/state",
        "Dir::State::status": f"{work}/status",
        "Dir::Cache": f"{work}/cache",
        "Dir::Etc::SourceList": f"{work}/sources.list",
        "Dir::Etc::SourceParts": f"{work}/parts",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": f"{work}/parts",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    if host.keyrings:
        settings |= {"Dir::Etc::Trusted": host.keyrings[0], "Dir::Etc::TrustedParts": f"{work}/parts"}
    path = f"{work}/apt.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{option}\n" for option in host.apt_options)
        file.writelines(f'{name} "{value}";\n' for name, value in settings.items())
    return path


def _run(recipe: Recipe, argv: list[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=dict(environment)
    )
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or [
            done.stderr.strip()
        ]
        raise Internal(f"packages of {recipe.name}: apt-get failed\n" + "\n".join(reasons[:5]))


def _stanza(folder: str, name: str) -> str:
    path = f"{folder}/{name}"
    fields = subprocess.run(["dpkg-deb", "--field", path], capture_output=True, text=True, check=True).stdout
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_CHUNK_BYTES):
            state.update(data)
    size = os.stat(path).st_size
    return f"{fields.rstrip()}\nFilename: ./{name}\nSize: {size}\nSHA256: {state.hexdigest()}\n\n"
