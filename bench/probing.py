# SPDX-License-Identifier: Apache-2.0
"""Looking at published ports, also those of an engine that lives in another network namespace."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sampan.linux.namespace import CLONE_NEWNET, setns

Result = TypeVar("Result")

PAGE_S = 20.0
LOOK_EVERY_S = 0.0005
REQUEST = b"GET / HTTP/1.0\r\nHost: bench\r\n\r\n"


def free_port(namespace: str) -> int:
    """A port of 127.0.0.1 that nobody has."""
    return within(namespace, _free_port)


def wait_for_page(port: int, namespace: str) -> float:
    """Seconds until the server at `port` answers 200."""
    return within(namespace, lambda: _wait_for_page(port))


def within(namespace: str, action: Callable[[], Result]) -> Result:
    """Do it in the network of a process (its id, or a file with it); a thread can enter one by itself."""
    if not namespace:
        return action()
    future: Future[Result] = Future()

    def enter_and_act() -> None:
        try:
            _enter(namespace)
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            future.set_exception(error)

    threading.Thread(target=enter_and_act, daemon=True).start()
    return future.result()


def _enter(namespace: str) -> None:
    pid = namespace
    if not pid.isdecimal():
        with open(namespace, encoding="ascii") as file:
            pid = file.read().strip()
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(descriptor, CLONE_NEWNET)
    finally:
        os.close(descriptor)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_page(port: int) -> float:
    started = time.monotonic()
    while not _has_page(port):
        if time.monotonic() - started > PAGE_S:
            raise TimeoutError(f"no page on port {port} after {PAGE_S:.0f} s")
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - started


def _has_page(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(REQUEST)
            return b" 200 " in connection.recv(64)
    except OSError:
        return False
