# SPDX-License-Identifier: Apache-2.0
"""The entry points of the service images, with programs that only tell how they were called."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from sampan.bootstrap.catalogue import RECIPES

POSTGRES = f"{RECIPES}/postgres/docker-entrypoint.sh"
REDIS = f"{RECIPES}/redis/docker-entrypoint.sh"
NGINX = f"{RECIPES}/nginx/docker-entrypoint.sh"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of stand-ins that print their name and arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gosu", "psql", "redis-server", "nginx", "postgres"):
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "{name}: $*"\n[ ! -p /dev/stdin ] || cat\n')
        path.chmod(0o755)
    for name, answer in (("id", "echo 0"), ("find", ":")):
        (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
        (folder / name).chmod(0o755)
    return folder


def run(tools: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", **environ}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=tools, stdin=subprocess.DEVNULL
    )


def postgres(tools: Path, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return run(tools, "bash", "-c", f"source {POSTGRES}; {script}", **environ)


def test_a_secret_may_come_from_a_file(tools: Path) -> None:
    secret = tools / "secret"
    secret.write_text("s3cret\n")
    said = postgres(
        tools,
        'docker_setup_env; echo "$POSTGRES_PASSWORD $POSTGRES_USER $POSTGRES_DB [$POSTGRES_PASSWORD_FILE]"',
        POSTGRES_PASSWORD_FILE=str(secret),
        POSTGRES_USER="bob",
        PGDATA=str(tools),
    )
    assert said.stdout == "s3cret bob bob []\n"


def test_a_value_and_a_file_exclude_each_other(tools: Path) -> None:
    said = postgres(tools, "docker_setup_env", POSTGRES_USER="a", POSTGRES_USER_FILE="/b", PGDATA="/")
    assert said.returncode == 1
    assert said.stderr == "error: both POSTGRES_USER and POSTGRES_USER_FILE are set (but are exclusive)\n"


def test_postgres_without_a_password_says_what_to_do(tools: Path) -> None:
    check = "docker_setup_env; docker_verify_minimum_env"
    said = postgres(tools, check, PGDATA=str(tools))
    assert said.returncode == 1
    assert "POSTGRES_PASSWORD" in said.stderr
    trusting = postgres(tools, check, PGDATA=str(tools), POSTGRES_HOST_AUTH_METHOD="trust")
    assert trusting.returncode == 0
    assert "warning" in trusting.stderr


def test_first_start_files_run_in_order_each_in_its_way(tools: Path) -> None:
    folder = tools / "init"
    folder.mkdir()
    (folder / "1.sh").write_text("echo sourced with $POSTGRES_USER")
    (folder / "2.sql").write_text("select 2")
    (folder / "3.sql.gz").write_bytes(gzip.compress(b"select 3"))
    (folder / "4.txt").write_text("")
    (folder / "5.sh").write_text("#!/bin/sh\necho executed")
    (folder / "5.sh").chmod(0o755)
    said = postgres(
        tools,
        f"POSTGRES_DB=d docker_process_init_files {folder}/*",
        POSTGRES_USER="bob",
        POSTGRES_DB="d",
    )
    said_lines = [line.partition(": ")[2] for line in said.stdout.splitlines() if line.startswith("bash: ")]
    assert said_lines == [
        f"sourcing {folder}/1.sh",
        f"running {folder}/2.sql",
        f"running {folder}/3.sql.gz",
        f"ignoring {folder}/4.txt",
        f"running {folder}/5.sh",
    ]
    assert "sourced with bob" in said.stdout
    assert f"--username bob --no-password --no-psqlrc --dbname d -f {folder}/2.sql" in said.stdout
    assert "select 3" in said.stdout
    assert "executed" in said.stdout


def test_another_command_than_the_server_is_run_as_it_is(tools: Path) -> None:
    assert run(tools, "bash", POSTGRES, "echo", "hi").stdout == "hi\n"
    assert run(tools, "bash", POSTGRES, "postgres", "--version").stdout == "postgres: --version\n"
    assert run(tools, "bash", POSTGRES, "--version").stdout == "postgres: --version\n"
    assert run(tools, "sh", REDIS, "echo", "hi").stdout == "hi\n"
    assert run(tools, "sh", NGINX, "echo", "hi").stdout == "hi\n"


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (("redis-server",), "gosu: redis redis-server --protected-mode no\n"),
        (("--save", ""), "gosu: redis redis-server --save  --protected-mode no\n"),
        (("/etc/my.conf",), "gosu: redis redis-server /etc/my.conf\n"),
        (("redis-server", "--protected-mode", "yes"), "gosu: redis redis-server --protected-mode yes\n"),
    ],
)
def test_redis_is_open_inside_its_container_unless_told_otherwise(
    tools: Path, arguments: tuple[str, ...], called: str
) -> None:
    assert run(tools, "sh", REDIS, *arguments).stdout.splitlines()[-1] + "\n" == called
