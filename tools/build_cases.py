# SPDX-License-Identifier: Apache-2.0
"""Build the Dockerfile cases of tests/cases/build with Docker, so that what they expect is Docker's and not ours.

    python tools/build_cases.py write   --docker "docker" --place DIR [NAME ...]   write each case's expected.json
    python tools/build_cases.py compare --docker "docker" --place DIR [NAME ...]   say where Docker's image is another

`--docker` is a command (and its first words) that reaches a dockerd with DOCKER_BUILDKIT=1 and sees DIR under the same
path; `--network-of PID` runs the web server of the cases in that process's network namespace, where dockerd is not in
ours. The committed files were written with dockerd 28.5 and compared with 20.10 of Debian's docker.io, like so:

    apt-get download docker.io containerd && for deb in *.deb; do dpkg -x $deb root; done
    unshare --net --mount --propagation private sh -c 'ip link set lo up; exec dockerd --data-root $PWD/data \\
        --exec-root $PWD/run --pidfile $PWD/docker.pid -H unix://$PWD/docker.sock --iptables=false'

`compare --old` is for 20.10: cases that say `not-in-20-10` are left out, and neither the words of errors nor the
history are compared, which were others then; that it fails, the config and every path of the image are.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from build_cases import BASE, CASES, Case, case_names, open_case, serving  # noqa: E402
from described_images import compare, describe_config, describe_error, describe_images  # noqa: E402
from integration.engine_process import busybox_tar  # noqa: E402

CLONE_NEWNET = 0x40000000


def main() -> int:
    """Write or compare the expectations."""
    options = _parse_options()
    place = Path(options.place)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    docker = shlex.split(options.docker)
    argv = [*docker, "import", "--change", 'CMD ["sh"]', "-", BASE]
    subprocess.run(argv, input=busybox_tar(), check=True, stdout=subprocess.DEVNULL)
    cases = [open_case(name, place) for name in options.names or case_names()]
    if options.old:
        cases = [case for case in cases if not case.not_in_20_10]
    with _server(place, options.network_of), ThreadPoolExecutor(4) as pool:
        found = dict(zip(cases, pool.map(lambda case: build(docker, case), cases), strict=True))
    built = [case.tag for case in cases if found[case] is None]
    images = read_images(docker, built, place / "images.tar")
    differ = 0
    for case in cases:
        differ += _settle(case, found[case] or images[case.tag], options)
    print(f"{len(cases)} cases, {differ} differ")
    return differ > 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--docker", default="docker")
    parser.add_argument("--place", required=True)
    parser.add_argument("--network-of", default="")
    parser.add_argument("--old", action="store_true")
    return parser.parse_intermixed_args()


def _server(place: Path, pid: str) -> Any:
    """The web server; it listens in the network namespace that this thread is in when it starts."""
    if pid:
        with open(f"/proc/{pid}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    return serving(place)


def build(docker: list[str], case: Case) -> Any:
    """Run the builds of a case: None, or its error."""
    for flags in case.builds:
        done = subprocess.run(
            [*docker, "build", *flags, "context"],
            cwd=case.place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=120,
            env={"DOCKER_BUILDKIT": "1", **os.environ},
        )
        if done.returncode:
            at = done.stderr.rfind("\nERROR: ")
            return describe_error(done.stderr[at + 1 :] if at >= 0 else done.stderr)
    return None


def read_images(docker: list[str], tags: list[str], archive: Path) -> dict[str, Any]:
    """All images by tag; those without a layer, which dockerd does not save, as it inspects them."""
    if not tags:
        return {}
    asked = subprocess.run([*docker, "image", "inspect", *tags], check=True, capture_output=True, text=True)
    answers = dict(zip(tags, json.loads(asked.stdout), strict=True))
    layered = [tag for tag, one in answers.items() if one["RootFS"].get("Layers")]
    with archive.open("wb") as out:
        subprocess.run([*docker, "save", BASE, *layered], check=True, stdout=out)
    images = describe_images(archive, BASE)
    archive.unlink()
    for tag in answers.keys() - set(layered):
        history = subprocess.run(
            [*docker, "history", "--no-trunc", "--format", "{{json .CreatedBy}}", tag],
            check=True,
            capture_output=True,
            text=True,
        )
        lines = [
            {"created_by": json.loads(line), "empty_layer": True} for line in history.stdout.splitlines()
        ]
        one = answers[tag]
        config = {"config": one["Config"], "author": one["Author"], "history": lines[::-1]}
        config |= {"os": one["Os"], "architecture": one["Architecture"]}
        images[tag] = {**describe_config(config, skip=False), "layers": []}
    return images


def _settle(case: Case, found: Any, options: argparse.Namespace) -> int:
    path = CASES / case.name / "expected.json"
    if options.action == "write":
        path.write_text(json.dumps(found, indent=1, ensure_ascii=True) + "\n")
        return 0
    expected = json.loads(path.read_text())
    if options.old:
        expected, found = _without_words(expected), _without_words(found)
    differences = compare(found, expected)
    if differences:
        print(f"== {case.name}: {case.about}", *differences, sep="\n   ")
    return len(differences) > 0


def _without_words(described: dict[str, Any]) -> dict[str, Any]:
    if "error" in described:
        return {"error": ""}
    config = {key: value for key, value in described["config"].items() if key != "ArgsEscaped"}
    return {"config": config, "history": [], "layers": described["layers"]}


if __name__ == "__main__":
    sys.exit(main())
