# SPDX-License-Identifier: Apache-2.0
"""What `run`, `start -a` and `attach` share: attach, wait, start, stream, exit status.

The order matters. The attach connection opens before the start, so that no first byte is lost; the wait is
asked for before the start too, and its head read, so that a program which ends at once is not missed and a
container that removes itself is still there to wait for.
"""

from __future__ import annotations

from _signal import SIGWINCH  # type: ignore[import-not-found] # `signal` itself loads enum

from sampan.cli.command import Exit
from sampan.cli.detach_keys import DEFAULT_KEYS, parse_keys
from sampan.cli.stream import Session
from sampan.cli.terminal import PROXIED, STDIN, RawMode, SignalPipe, terminal_size
from sampan.client.wire import ConnectionLost
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sampan.cli.context import Context
    from sampan.client.answer import Answer
    from sampan.client.http import Hijacked
    from sampan.client.query import Parameter

EX_ENGINE, EX_CANNOT_INVOKE, EX_NOT_FOUND = 125, 126, 127

_NOT_FOUND = ("executable file not found", "no such file or directory")
_NOT_INVOKED = ("permission denied", "is a directory")


def start_failure_status(message: str) -> int:
    """The exit status that docker reads out of the words of a start that failed."""
    words = message.lower()
    if any(word in words for word in _NOT_FOUND):
        return EX_NOT_FOUND
    return EX_CANNOT_INVOKE if any(word in words for word in _NOT_INVOKED) else EX_ENGINE


def check_terminal(*, wants_stdin: bool, tty: bool) -> None:
    """A terminal inside needs one outside, when its keys are to be passed on."""
    import os

    if wants_stdin and tty and not os.isatty(STDIN):
        raise Exit(1, "the input device is not a TTY")


def tell(call: Callable[[], None], *, tries: int = 2) -> None:
    """Tell the engine something that may come too late: a program that ended meanwhile is no error.

    An engine closes connections that were idle for long, and only using one shows it: hence a second try.
    """
    try:
        call()
    except ConnectionLost:
        if tries > 1:
            tell(call, tries=tries - 1)
    except SampanError:
        return


class Attachment:
    """How to attach to one container."""

    __slots__ = ("container", "keys", "proxy", "streams", "tty")

    def __init__(
        self,
        container: str,
        *,
        streams: Collection[str],
        tty: bool,
        detach_keys: str = "",
        proxy: bool = True,
    ) -> None:
        self.container = container
        self.streams = frozenset(streams)
        self.tty = tty
        self.keys = detach_keys or DEFAULT_KEYS
        self.proxy = proxy

    def open(self, context: Context) -> Hijacked:
        """The connection with the streams."""
        query: dict[str, Parameter] = dict.fromkeys(sorted(self.streams), "1")
        query |= {"stream": "1", "detachKeys": self.keys}
        return context.engine.containers.attach(self.container, query)

    def run(self, context: Context, connection: Hijacked, ready: Callable[[], None]) -> bool:
        """Call `ready` (the start), then stream to the end; True when the user detached."""
        wants_stdin = "stdin" in self.streams
        signals = (SIGWINCH, *PROXIED) if self.proxy else (SIGWINCH,)
        with SignalPipe(signals) as pipe:
            ready()
            session = Session(
                connection,
                multiplexed=not self.tty,
                stdin=STDIN if wants_stdin else None,
                keys=parse_keys(self.keys) if self.tty and wants_stdin else b"",
                signals=pipe,
                on_signal=lambda number: self._pass_on(context, number),
            )
            if self.tty:
                self.resize(context)
            if not (self.tty and wants_stdin):
                return session.run()
            with RawMode():
                return session.run()

    def _pass_on(self, context: Context, number: int) -> None:
        if number == SIGWINCH:
            if self.tty:
                self.resize(context)
            return
        tell(lambda: context.engine.containers.kill(self.container, signal=str(number)))

    def resize(self, context: Context, *, by: int = 0) -> None:
        """Tell the container's terminal the size of ours."""
        size = terminal_size()
        if size is None:
            return
        rows, columns = size[0] + by, size[1] + by
        tell(lambda: context.engine.containers.resize(self.container, rows=rows, columns=columns))


def read_exit_status(context: Context, container: str, answer: Answer) -> int:
    """The status that a wait tells; asks again where the engine went away while the container ran on."""
    try:
        told = answer.json()
    except ConnectionLost:
        told = context.engine.containers.wait(container, condition="not-running").json()
    problem = ((told or {}).get("Error") or {}).get("Message")
    if problem:
        raise Exit(EX_ENGINE, str(problem))
    return int((told or {}).get("StatusCode", EX_ENGINE))


def start_attached(context: Context, attachment: Attachment, *, removes_itself: bool) -> int:
    """Attach, start, stream; the program's exit status, or 0 when the user detached."""
    container = attachment.container
    connection = attachment.open(context)
    waiting = context.engine.containers.wait(
        container, condition="removed" if removes_itself else "next-exit"
    )
    try:
        detached = attachment.run(
            context,
            connection,
            lambda: context.engine.containers.start(container, detach_keys=attachment.keys),
        )
    except SampanError:
        connection.socket.close()
        waiting.close()
        if removes_itself:
            remove_quietly(context, container)
        raise
    if detached:
        waiting.close()
        context.out.note("read escape sequence")
        return 0
    return read_exit_status(context, container, waiting)


def remove_quietly(context: Context, container: str) -> None:
    """A container that could not start and was to remove itself: its name is free when this returns."""
    try:
        context.engine.containers.remove(container, force=True, volumes=True)
    except SampanError:
        return


def attach_and_start(
    context: Context, name: str, *, interactive: bool, detach_keys: str = "", sig_proxy: bool = True
) -> int:
    """``start -a`` and ``start -i``: the streams of a container that exists already."""
    found = context.engine.containers.inspect(name)
    config = found["Config"]
    streams = {"stdout", "stderr"} | ({"stdin"} if interactive and config.get("OpenStdin") else set())
    check_terminal(wants_stdin="stdin" in streams, tty=bool(config.get("Tty")))
    attachment = Attachment(
        found["Id"],
        streams=streams,
        tty=bool(config.get("Tty")),
        detach_keys=detach_keys,
        proxy=sig_proxy,
    )
    return start_attached(
        context, attachment, removes_itself=bool((found.get("HostConfig") or {}).get("AutoRemove"))
    )
