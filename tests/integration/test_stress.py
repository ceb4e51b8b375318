# SPDX-License-Identifier: Apache-2.0
"""Two hundred containers, twenty at a time: none lost, none stuck, nothing left; also with kill -9 in the middle.

SAMPAN_STRESS_ROUNDS makes the killing longer, SAMPAN_STRESS_SEED repeats one run of it (the seed is printed).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integration.engine_process import EngineProcess, is_alive, wait_until
from integration.kernel_state import KernelWatch, disk_state
from integration.raw_client import ask

pytestmark = pytest.mark.long

FLEET = 200
AT_A_TIME = 20
KILLS = int(os.environ.get("SAMPAN_STRESS_ROUNDS", "4"))
CREATED, DONE, ALREADY = 201, 204, 304
GONE, CONFLICT = 404, 409
NETWORK = "stress"

# What all of it is to be released again: a port, a volume of its own, names on a network, a limit.
PLAIN: dict[str, Any] = {"Image": "busybox:latest", "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL"}
VARIETIES: tuple[dict[str, Any], ...] = (
    {},
    {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}]}}},
    {"Volumes": {"/data": {}}},
    {"HostConfig": {"NetworkMode": NETWORK, "Memory": 64 << 20}},
    {"HostConfig": {"NetworkMode": "none", "RestartPolicy": {"Name": "unless-stopped"}}},
)


class Api:
    """The engine's answers as (status, body); an engine that is not there is waited for by the caller."""

    def __init__(self, engine: EngineProcess) -> None:
        self._path = str(engine.socket)

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        status, _, answer = ask(self._path, method, f"/v1.51{path}", body)
        return status, answer

    def must(self, expect: int, method: str, path: str, body: object = None) -> Any:
        status, answer = self(method, path, body)
        assert status == expect, (method, path, status, answer)
        return answer

    def states(self) -> dict[str, str]:
        """State by container id."""
        listed = self.must(200, "GET", "/containers/json?all=1")
        return {container["Id"]: container["State"] for container in listed}


def wanted(number: int) -> dict[str, Any]:
    return PLAIN | VARIETIES[number % len(VARIETIES)]


def side_by_side(work: Callable[[Any], object], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in [pool.submit(work, item) for item in items]:
            done.result()


@pytest.fixture
def api(own_engine: EngineProcess) -> Iterator[Api]:
    """An engine of the test's own with one more network; both have been used before anything is counted."""
    api = Api(own_engine)
    api.must(CREATED, "POST", "/networks/create", {"Name": NETWORK})
    own_engine.sampan("run", "--rm", "--network", NETWORK, "busybox", "true")
    own_engine.sampan("run", "--rm", "-v", "/data", "busybox", "true")
    wait_until(lambda: not os.listdir(own_engine.run / "containers"), "the first ones are swept")
    yield api
    api.must(200, "GET", "/info")


def test_two_hundred_containers_come_and_go(own_engine: EngineProcess, api: Api) -> None:
    watch, disk = KernelWatch(own_engine), disk_state(own_engine)
    ids = []

    def start(number: int) -> None:
        created = api.must(CREATED, "POST", f"/containers/create?name=c{number}", wanted(number))
        ids.append(created["Id"])
        api.must(DONE, "POST", f"/containers/c{number}/start")

    def stop(container: str) -> None:
        api.must(DONE, "POST", f"/containers/{container}/stop")

    def remove(container: str) -> None:
        api.must(DONE, "DELETE", f"/containers/{container}?v=1")

    side_by_side(start, range(FLEET))
    watch.remember(ids)
    assert api.states() == dict.fromkeys(ids, "running")
    assert len(watch.look().processes) == FLEET
    side_by_side(stop, ids)
    assert api.states() == dict.fromkeys(ids, "exited")
    side_by_side(remove, ids)
    assert api.states() == {}
    watch.wait_for_before()
    wait_until(lambda: disk_state(own_engine) == disk, "the disk is as before", limit_s=10)


class Killing:
    """Work on an engine that is killed under it: a request without an answer is made again.

    Holds (what "accounted for" means): what was answered is so after the next start as well.
    """

    def __init__(self, engine: EngineProcess, api: Api, chance: random.Random) -> None:
        self._engine = engine
        self._api = api
        self._chance = chance
        self.answers: Counter[tuple[str, int]] = Counter()

    def must(self, first: int, again: int, method: str, path: str, body: object = None) -> None:
        """`first` is the answer, or `again` if the request may have been carried out without an answer."""
        end, asked = time.monotonic() + 30, False
        while time.monotonic() < end:
            try:
                status, answer = self._api(method, path, body)
            except (OSError, AssertionError):  # no engine, or it was killed before its answer was whole
                asked = True
                time.sleep(0.05)
                continue
            self.answers[method, status] += 1
            assert status == first or (asked and status == again), (method, path, status, answer)
            return
        raise AssertionError(f"no answer to {method} {path}")

    def while_killed(self, work: Callable[[Any], object], items: Iterable[Any], times: int) -> None:
        """Do the work; meanwhile kill the engine at random moments and start the next."""
        working = threading.Thread(target=lambda: self._note(lambda: side_by_side(work, items)))
        self._failure: BaseException | None = None
        working.start()
        for _ in range(times):
            working.join(self._chance.uniform(0.05, 1.5))
            self._engine.kill()
            self._engine.start()
        working.join()
        if self._failure:
            raise self._failure

    def _note(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            self._failure = error


def test_every_container_is_accounted_for_when_the_engine_is_killed(
    own_engine: EngineProcess, api: Api
) -> None:
    seed = int(os.environ.get("SAMPAN_STRESS_SEED") or random.randrange(1 << 32))
    print(f"SAMPAN_STRESS_SEED={seed}")
    watch, disk = KernelWatch(own_engine), disk_state(own_engine)
    killing = Killing(own_engine, api, random.Random(seed))

    def start(number: int) -> None:
        killing.must(CREATED, CONFLICT, "POST", f"/containers/create?name=c{number}", wanted(number))
        killing.must(DONE, ALREADY, "POST", f"/containers/c{number}/start")

    def remove(number: int) -> None:
        killing.must(DONE, ALREADY, "POST", f"/containers/c{number}/stop")
        killing.must(DONE, GONE, "DELETE", f"/containers/c{number}?v=1")

    killing.while_killed(start, range(FLEET), KILLS // 2)
    states = api.states()
    assert Counter(states.values()) == {"running": FLEET}, (seed, killing.answers)
    watch.remember(states)
    for container in states:
        pid = api.must(200, "GET", f"/containers/{container}/json")["State"]["Pid"]
        assert is_alive(pid), seed
    killing.while_killed(remove, range(FLEET), KILLS - KILLS // 2)
    assert api.states() == {}, seed
    watch.wait_for_before()
    wait_until(lambda: disk_state(own_engine) == disk, "the disk is as before", limit_s=10)
