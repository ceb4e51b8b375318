# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import os
import socket

from sampan.linux.socket import seqpacket_pair
from sampan.shim.control import LauncherControl
from sampan.shim.launcher import Launcher
from sampan.shim.protocol import receive_message

ORDERS = 60


async def _send_all(control: LauncherControl, theirs: socket.socket) -> list[int]:
    """Send more orders than the socket has room for, then read them."""
    orders = [{"number": number, "terms": "x" * 20_000} for number in range(ORDERS)]
    sending = [asyncio.ensure_future(control._send(order, ())) for order in orders]
    await asyncio.wait(sending, timeout=0.05)
    assert not all(task.done() for task in sending)
    numbers = []
    for _ in range(ORDERS):
        received = await asyncio.wait_for(asyncio.to_thread(receive_message, theirs), 10)
        assert received is not None
        numbers.append(received[0]["number"])
    await asyncio.wait_for(asyncio.gather(*sending), 10)
    return numbers


def test_orders_wait_for_room_in_line() -> None:
    ours, theirs = seqpacket_pair()
    with ours, theirs:
        theirs.settimeout(5)
        control = LauncherControl(Launcher(os.getpid(), ours))
        assert asyncio.run(_send_all(control, theirs)) == list(range(ORDERS))
