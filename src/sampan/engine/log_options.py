# SPDX-License-Identifier: Apache-2.0
"""The options of a container's log (`--log-opt`): which there are, and the details that some add to each line (pure).

Source: moby `daemon/logger/jsonfilelog` and `local`, ValidateLogOpt; `daemon/logger/loginfo.go`, ExtraAttributes. The
details are labels and variables of the container, chosen by name or by a pattern, and its tag; `logs --details` shows
them before each line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from sampan.errors import InvalidArgument

if TYPE_CHECKING:
    from sampan.engine.model import Container
    from sampan.schema.container import ContainerConfig, LogConfig

ROTATION = frozenset({"max-size", "max-file", "compress"})
MODES = frozenset({"mode", "max-buffer-size"})
DETAILS = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
OPTIONS: Mapping[str, frozenset[str]] = {
    "json-file": ROTATION | MODES | DETAILS,
    "local": ROTATION | MODES,
}
_SIZE = re.compile(r"-1|\d+(\.\d+)?\s*[kKmMgG]?[bB]?")


def check_log_options(log: LogConfig) -> None:
    """Refuse what the driver does not know, and what its options cannot be."""
    driver, options = log.type or "json-file", log.config or {}
    known = OPTIONS.get(driver)
    for name in options if known is not None else ():
        if name not in (known or ()):
            raise InvalidArgument(f"unknown log opt '{name}' for {driver} log driver")
    for name in ("labels-regex", "env-regex"):
        _pattern(options.get(name, ""), name)
    if not _SIZE.fullmatch(options.get("max-size", "-1")):
        raise InvalidArgument(f"invalid size: '{options['max-size']}'")
    files = options.get("max-file", "1")
    if not files.isdigit() or int(files) < 1:
        raise InvalidArgument(
            "max-file cannot be less than 1" if files.lstrip("-").isdigit() else f"max-file: {files}"
        )


def format_details(container: Container) -> str:
    """What `logs --details` shows before each line: `name=value,name=value`, sorted, as in a URL's query."""
    return ",".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in sorted(_details(container)))


def _details(container: Container) -> Iterator[tuple[str, str]]:
    options, config = container.host_config.log_config.config or {}, container.config
    yield from _chosen((config.labels or {}).items(), options, "labels")
    yield from _chosen(_variables(config), options, "env")
    if tag := options.get("tag"):
        yield "tag", _format_tag(tag, container)


def _variables(config: ContainerConfig) -> Iterator[tuple[str, str]]:
    for entry in config.env or ():
        name, given, value = entry.partition("=")
        if given:
            yield name, value


def _chosen(
    pairs: Iterable[tuple[str, str]], options: Mapping[str, str], kind: str
) -> Iterator[tuple[str, str]]:
    names = set(options.get(kind, "").split(","))
    pattern = _pattern(options.get(f"{kind}-regex", ""), f"{kind}-regex")
    for name, value in pairs:
        if name in names or (pattern and pattern.search(name)):
            yield name, value


def _pattern(text: str, option: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise InvalidArgument(f"{option}: {error}") from None


def _format_tag(template: str, container: Container) -> str:
    """The fields of a tag that stand alone in their braces; anything else is kept as it is written."""
    fields = {
        "ID": container.id[:12],
        "FullID": container.id,
        "Name": container.name,
        "ImageName": container.document.image,
        "ImageID": container.document.image_id.removeprefix("sha256:")[:12],
        "ImageFullID": container.document.image_id,
        "DaemonName": "docker",
    }
    return re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda found: fields.get(found[1], found[0]), template)
