# SPDX-License-Identifier: Apache-2.0
"""What is measured with: a busybox image, and the Django example's build on top of it.

Nothing comes from a registry or the network, so that an engine that has neither can be measured. The example's
Dockerfile keeps its instructions; only its base and what its RUN does are put in by something that busybox has: what
a step did is of no consequence to a build that finds it in the cache.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile

from engines import IMAGE, LABEL, Engine, fresh_name

BUSYBOX = "/bin/busybox"
EXAMPLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples", "django")
PAGE = b"<title>bench</title>\n"
PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"
TINY_STEPS = 40
WORK_S = 3.0
STAGE_S = 1.0
FOLDERS, FILES_A_FOLDER = 100, 200


def write_busybox_tar(path: str) -> None:
    """A root filesystem: one static program under its many names, and a page for its web server."""
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True, timeout=10)
    with tarfile.open(path, "w") as tar:
        for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "www"):
            _add(tar, folder, type=tarfile.DIRTYPE, mode=0o755)
        tar.add(BUSYBOX, "bin/busybox")
        for applet in set(applets.stdout.split()) - {"busybox"}:
            _add(tar, f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox")
        _add(tar, "etc/passwd", PASSWD)
        _add(tar, "www/index.html", PAGE)


def _add(tar: tarfile.TarFile, name: str, data: bytes = b"", **fields: object) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    for field, value in fields.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(data))


def import_busybox(engine: Engine, tar: str) -> None:
    """Give an engine the image, and see that it can run it."""
    engine.run("import", "--change", f"LABEL {LABEL}", tar, IMAGE)
    engine.run("run", "--rm", "--name", fresh_name(), IMAGE, "true")


def write_django_context(folder: str) -> None:
    """The example as it is, but for the two lines of its Dockerfile that need a network."""
    shutil.copytree(EXAMPLE, folder)
    path = f"{folder}/Dockerfile"
    with open(path, encoding="utf-8") as file:
        lines = [_without_network(line) for line in file]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)


def _without_network(line: str) -> str:
    if line.startswith("FROM "):
        return f"FROM {IMAGE}\n"
    if line.startswith("RUN pip install"):
        return "RUN mkdir -p /packages && cp requirements.txt /packages\n"
    return line


def write_tiny_steps_context(folder: str) -> None:
    """A Dockerfile of many steps that do next to nothing."""
    steps = [f"RUN echo {number} > /step-{number}\n" for number in range(TINY_STEPS)]
    _write_dockerfile(folder, [f"FROM {IMAGE}\n", *steps])


def write_work_context(folder: str) -> None:
    """A Dockerfile whose steps take a known time, and leave files: what the builder adds is the rest."""
    steps = 6
    made = "for i in $(seq 100); do echo $i > /made-{0}-$i; done"
    lines = [f"RUN {made.format(number)}; sleep {WORK_S / steps}\n" for number in range(steps)]
    _write_dockerfile(folder, [f"FROM {IMAGE}\n", *lines])


def write_stages_context(folder: str) -> None:
    """Four stages that do not need one another, and a last one that takes from each."""
    names = ("a", "b", "c", "d")
    stages = [f"FROM {IMAGE} AS {name}\nRUN echo {name} > /{name}; sleep {STAGE_S}\n" for name in names]
    copies = [f"COPY --from={name} /{name} /\n" for name in names]
    _write_dockerfile(folder, [*stages, f"FROM {IMAGE}\n", *copies])


def write_files_context(folder: str) -> None:
    """As many files as a large project has, in folders, copied as they are."""
    _write_dockerfile(folder, [f"FROM {IMAGE}\n", "COPY . /files\n"])
    for number in range(FOLDERS):
        inner = f"{folder}/d{number:03}"
        os.mkdir(inner)
        for file in range(FILES_A_FOLDER):
            with open(f"{inner}/f{file:04}.txt", "w", encoding="ascii") as text:
                text.write(f"{number} {file}\n" * 50)


def _write_dockerfile(folder: str, lines: list[str]) -> None:
    os.makedirs(folder)
    with open(f"{folder}/Dockerfile", "w", encoding="utf-8") as file:
        file.writelines(lines)
