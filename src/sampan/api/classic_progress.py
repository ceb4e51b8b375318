# SPDX-License-Identifier: Apache-2.0
"""The words of Docker's classic builder, which its clients parse, made of the builder's events (pure).

`Step 1/7 : FROM x`, ` ---> Using cache`, ` ---> 4bcf…`, `Successfully built …`, `Successfully tagged …`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sampan.build.progress import LogEvent, VertexEvent, WarningEvent

if TYPE_CHECKING:
    from sampan.build.progress import Progress


class ClassicProgress:
    """Turns events into lines; quiet keeps all but the result to itself."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._announced: set[int] = set()

    def lines(self, event: Progress) -> Iterator[dict[str, Any]]:
        """What one event adds to the stream."""
        if self._quiet:
            return
        if isinstance(event, VertexEvent):
            yield from self._vertex(event)
        elif isinstance(event, LogEvent):
            yield {"stream": event.data.decode(errors="replace")}
        elif isinstance(event, WarningEvent):
            yield {"stream": f"[Warning] {event.file}:{event.line}: {event.text}\n"}

    def _vertex(self, event: VertexEvent) -> Iterator[dict[str, Any]]:
        for mark in event.marks:
            number = int(mark["number"])
            if number not in self._announced:
                self._announced.add(number)
                yield {"stream": f"Step {number}/{mark['total']} : {mark['text']}\n"}
        if event.completed_ns is None or not event.marks:
            return
        if event.cached:
            yield {"stream": " ---> Using cache\n"}
        if event.result and not event.error:
            yield {"stream": f" ---> {event.result}\n"}

    def result_lines(self, image_id: str, tags: Sequence[str], *, own: bool) -> Iterator[dict[str, Any]]:
        """The end of a build that went well; the id comes as `aux` for programs."""
        yield {"aux": {"ID": image_id}}
        if own:
            return
        if self._quiet:
            yield {"stream": image_id + "\n"}
            return
        yield {"stream": f"Successfully built {image_id.removeprefix('sha256:')[:12]}\n"}
        for tag in tags:
            yield {
                "stream": f"Successfully tagged {tag if ':' in tag.rpartition('/')[2] else tag + ':latest'}\n"
            }
