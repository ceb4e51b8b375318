# SPDX-License-Identifier: Apache-2.0
"""examples/django-postgres as people use it: in production, across restarts and deaths, and in development."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.base_images import (
    POSTGRES,
    PYTHON,
    build_environment,
    ensure_bases,
    free_port,
)
from integration.engine_process import SAMPAN, EngineProcess, running_engine, wait_until

from visitor import Visitor  # isort: skip - base_images says where it is

EXAMPLE = Path(__file__).parents[2] / "examples" / "django-postgres"
PASSWORD = "a-long-enough-word"
BENCH_S = 6
READY_S = 180.0
WRITTEN = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'pgbench_history'"
PORT_OF_THE_DATABASE = """
services:
  db:
    ports: ["127.0.0.1:${DB_PORT}:5432"]
    networks: [back, front]
"""
DEVELOPMENT = ("compose.yaml", "compose.dev.yaml")

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


class Office:
    """The example in a folder of its own, composed on an engine of its own."""

    def __init__(self, engine: EngineProcess, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.port, self.db_port = free_port(), free_port()
        self.visitor = Visitor(f"http://127.0.0.1:{self.port}")
        self.environment = {
            **engine.environment,
            **build_environment(),
            "WEB_PORT": str(self.port),
            "DB_PORT": str(self.db_port),
        }

    def compose(self, *words: str, files: tuple[str, ...] = (), **options: object) -> str:
        """What a compose command says."""
        named = [word for file in files for word in ("-f", file)]
        options = {"cwd": self.folder, "env": self.environment, "timeout": 300} | options
        done = self.engine.sampan("compose", *named, *words, **options)
        return done.stdout + done.stderr

    def ids(self) -> dict[str, str]:
        """Each service's container."""
        found = self.engine.out("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{json .Labels}}")
        lines = [line.partition(" ") for line in found.splitlines()]
        return {_service(labels): identity for identity, _, labels in lines}

    def query(self, statement: str) -> str:
        """What the database answers."""
        command = ["psql", "-U", "harbour", "-Atc", statement]
        return self.compose("exec", "-T", "db", *command).strip()


def _service(labels: str) -> str:
    found = re.search(r"com\.docker\.compose\.service=(\w+)", json.loads(labels))
    return found.group(1) if found else ""


@pytest.fixture(scope="module")
def opened_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    base = tmp_path_factory.mktemp("office")
    with running_engine(base / "engine") as engine:
        ensure_bases(engine, PYTHON, POSTGRES)
        folder = base / "django-postgres"
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("secrets", "__pycache__"))
        (folder / "published.yaml").write_text(PORT_OF_THE_DATABASE)
        subprocess.run(["./make-secrets.sh"], cwd=folder, check=True)
        office = Office(engine, folder)
        office.compose("up", "-d", "--wait")
        yield office
        office.compose("down", "--volumes", "--remove-orphans")
        assert engine.out("volume", "ls", "-q") == engine.out("ps", "-aq") == ""


@pytest.fixture
def office(opened_office: Office) -> Office:
    """Open: what a test before this one restarted answers again."""
    opened_office.visitor.get_when_ready(within_s=READY_S)
    return opened_office


def test_a_row_is_written_through_the_form_and_outlives_the_database(office: Office) -> None:
    office.compose(
        *("exec", "-T", "-e", f"DJANGO_SUPERUSER_PASSWORD={PASSWORD}", "web"),
        *("python", "manage.py", "createsuperuser", "--noinput", "--username=mei", "--email=mei@example.org"),
    )
    assert not office.visitor.sign_in("mei", "wrong")
    assert office.visitor.sign_in("mei", PASSWORD)
    assert office.visitor.enter_boat("Golden Carp", "A1")
    assert "Golden Carp" in office.visitor.get("/admin/berths/berth/")
    office.compose("restart", "db")
    assert "Golden Carp" in office.visitor.get_when_ready(within_s=READY_S)


def test_static_files_have_their_content_in_the_name(office: Office) -> None:
    sheet = re.search(r'href="(/static/berths/harbour\.[0-9a-f]{12}\.css)"', office.visitor.get())
    assert sheet is not None
    assert "font" in office.visitor.get(sheet.group(1))


def test_the_application_may_do_nothing_but_its_work(office: Office) -> None:
    asked = "id -u; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; touch /app/x || true"
    said = office.compose("exec", "-T", "web", "sh", "-c", asked)
    assert "10001\n" in said
    assert re.search(r"CapEff:\s+0{16}\n", said)
    assert re.search(r"NoNewPrivs:\s+1\n", said)
    assert "Read-only file system" in said
    secret = (office.folder / "secrets" / "db_password").read_text()
    for service, identity in office.ids().items():
        assert secret not in office.engine.out("inspect", identity), service


def test_the_applications_own_tests_pass(office: Office) -> None:
    assert "OK\n" in office.compose("run", "--rm", "-T", "--no-deps", "web", "python", "manage.py", "test")


def test_a_second_up_changes_nothing(office: Office) -> None:
    before = office.ids()
    assert set(before) == {"web", "migrate", "db"}
    said = office.compose("up", "-d", "--wait")
    assert office.ids() == before
    assert "Recreate" not in said
    assert "Building" not in said


def test_data_survive_down_and_a_new_engine(office: Office) -> None:
    office.compose("down")
    assert office.ids() == {}
    assert office.engine.out("volume", "ls", "-q") == "harbour_db-data"
    office.compose("up", "-d", "--wait")
    assert "Golden Carp" in office.visitor.get_when_ready(within_s=READY_S)
    office.engine.stop()
    assert "Golden Carp" in office.visitor.get(), "the application goes on while there is no engine"
    office.engine.start()
    assert "Golden Carp" in office.visitor.get()
    wait_until(
        lambda: "(healthy)" in office.compose("ps", "web"),
        lambda: f"web is checked by the new engine: {office.compose('ps', '-a')}",
        limit_s=READY_S,
    )


def test_no_committed_transaction_is_lost_when_the_engine_is_killed(office: Office) -> None:
    files = ("compose.yaml", "published.yaml")
    office.compose("up", "-d", "--wait", "db", files=files)
    count = "SELECT count(*) FROM pgbench_history"
    with bench(office) as client:
        wait_until(lambda: office.query(WRITTEN) not in ("", "0"), "pgbench writes")
        before = int(office.query(count))
        office.engine.kill()
        office.engine.start()
        said = client.communicate(timeout=60)[0]
    assert "failed transactions: 0 " in said
    processed = re.search(r"transactions actually processed: (\d+)", said)
    assert processed is not None, said
    committed = int(processed.group(1))
    assert committed > before, "it went on while the engine was dead"
    assert int(office.query(count)) == committed
    office.compose("kill", "db", files=files)
    office.compose("up", "-d", "--wait", "db", files=files)
    assert int(office.query(count)) == committed, "what was committed outlives a kill of the database, too"
    sums = "SELECT sum(abalance) - (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts"
    assert office.query(sums) == "0"


def test_an_edited_page_is_seen_at_once_in_development(office: Office) -> None:
    office.compose("down")
    with watching(office):
        assert "Golden Carp" in office.visitor.get_when_ready(within_s=READY_S)
        edit(office, "berths/templates/berths/berth_list.html", "<h1>Berths</h1>", "<h1>Moorings</h1>")
        shows(office, "<h1>Moorings</h1>")
        edit(office, "berths/views.py", "    model = Berth\n", "    queryset = Berth.objects.none()\n")
        shows(office, "All berths are free.")
    office.compose("down", files=DEVELOPMENT)


@contextmanager
def watching(office: Office) -> Iterator[None]:
    """`up --watch` as a developer has it in a terminal, until Ctrl-C."""
    files = [word for file in DEVELOPMENT for word in ("-f", file)]
    with (office.folder / "watch.log").open("w+") as log:
        process = subprocess.Popen(
            [*SAMPAN, "compose", *files, "up", "--watch"],
            cwd=office.folder,
            env=office.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        said = Path(log.name).read_text
        try:
            wait_until(lambda: "Watch enabled" in said(), lambda: f"it watches: {said()}", limit_s=READY_S)
            yield
            process.send_signal(signal.SIGINT)
            assert process.wait(READY_S) == 130, said()
        finally:
            process.kill()
            process.wait()


def edit(office: Office, name: str, before: str, after: str) -> None:
    """Change a file of the project as an editor does: the new one takes the old one's place."""
    path = office.folder / name
    text = path.read_text()
    assert before in text
    new = path.with_name(f".{path.name}.new")
    new.write_text(text.replace(before, after, 1))
    new.replace(path)


def shows(office: Office, words: str) -> None:
    wait_until(
        lambda: words in office.visitor.get_when_ready(within_s=READY_S),
        f"the page shows {words!r}",
        limit_s=READY_S,
    )


def bench(office: Office) -> subprocess.Popen[str]:
    """pgbench, by the published port and from the host's network, for as long as it was told."""
    address = "-h 127.0.0.1 -U harbour"
    script = f"pgbench -i -q {address} harbour && exec pgbench -n -c 4 -T {BENCH_S} {address} harbour"
    password = (office.folder / "secrets" / "db_password").read_text()
    variables = ("-e", f"PGPASSWORD={password}", "-e", f"PGPORT={office.db_port}")
    return subprocess.Popen(
        [*SAMPAN, "run", "--rm", "--network=host", *variables, POSTGRES, "sh", "-c", script],
        env=office.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
