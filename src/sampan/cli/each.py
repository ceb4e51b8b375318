# SPDX-License-Identifier: Apache-2.0
"""Do one thing to each of several named objects, as ``stop a b c`` does.

A name that worked is printed; one that did not is complained about, the others still get their turn, and
the command fails in the end. Slow things (stop, restart, wait) go on at the same time, but what is said
keeps the order of the names.
"""

from __future__ import annotations

from sampan.errors import NotFound, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.context import Context
    from sampan.client.api import Engine

    Act = Callable[[Engine, str], str | None]


def for_each(context: Context, names: Sequence[str], act: Act, *, missing_is_fine: bool = False) -> int:
    """One after the other; `act` gives the line to print, the name itself when it gives None."""
    engine = context.engine
    status = 0
    for name in names:
        try:
            said = act(engine, name)
        except SampanError as error:
            context.out.complain(error.message, error.hint)
            if not (missing_is_fine and isinstance(error, NotFound)):
                status = 1
        else:
            context.out.line(name if said is None else said)
    return status


def for_each_at_once(context: Context, names: Sequence[str], act: Act) -> int:
    """All at the same time, each on a connection of its own."""
    if len(names) < 2:
        return for_each(context, names, act)
    from threading import Thread

    from sampan.client.api import Engine

    address = context.engine.http.address
    results: dict[int, str | SampanError | None] = {}

    def work(index: int, name: str) -> None:
        engine = Engine(address)
        try:
            results[index] = act(engine, name)
        except SampanError as error:
            results[index] = error
        finally:
            engine.close()

    threads = [Thread(target=work, args=pair, daemon=True) for pair in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return for_each(context, [str(index) for index in range(len(names))], _replay(names, results))


def _replay(names: Sequence[str], results: dict[int, str | SampanError | None]) -> Act:
    def act(_engine: Engine, index: str) -> str:
        result = results[int(index)]
        if isinstance(result, SampanError):
            raise result
        return names[int(index)] if result is None else result

    return act
