# SPDX-License-Identifier: Apache-2.0
"""What becomes of the result of `build`: ``--output``, ``--push``, ``--load`` and ``--annotation`` (pure).

Implements: docker buildx build. The engine is told each output's type and attributes; what it sends back for one goes
to the output's place (`build_sink`).
"""

from __future__ import annotations

from sampan.cli.mounts import split_csv
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_IMAGES = ("image", "registry", "docker", "oci")
_ARCHIVES = ("docker", "oci")
_TRUE = ("", "1", "t", "true")
_FALSE = ("0", "f", "false")
_ANNOTATION = r"(?:([a-z,-]+)(?:\[([A-Za-z0-9_/-]+)\])?:)?([^=:\s][^=\s]*)=(.*)"
_LEVELS = ("manifest", "index", "manifest-descriptor", "index-descriptor")


class Output:
    """One output: its type and attributes, and the place of what is sent for it ("" is the engine, "-" stdout).

    `folder` says that the archive is unpacked at its place: as ``files``, or as a ``layout`` of images.
    """

    __slots__ = ("attrs", "folder", "kind", "place")

    def __init__(self, kind: str, attrs: dict[str, str], place: str = "", *, folder: str = ""):
        self.kind = kind
        self.attrs = attrs
        self.place = place
        self.folder = folder

    @property
    def is_image(self) -> bool:
        """Whether it is an image, wherever that goes."""
        return self.kind in _IMAGES


def plan_outputs(
    words: Iterable[str], *, push: bool = False, load: bool = False, annotations: Iterable[str] = ()
) -> list[Output]:
    """All outputs; none is an image in the engine without more ado."""
    outputs = [parse_output(word) for word in words]
    if push:
        images = [output for output in outputs if output.kind == "image"]
        for output in images or [Output("image", {})]:
            output.attrs["push"] = "true"
            if output not in outputs:
                outputs.append(output)
    if load and outputs and not any(output.kind == "image" for output in outputs):
        outputs.append(Output("image", {}))
    attributes = plan_annotations(annotations)
    if attributes and not outputs:
        outputs.append(Output("image", {}))
    for output in outputs:
        if output.is_image:
            output.attrs.update(attributes)
    return outputs


def parse_output(word: str) -> Output:
    """One word of ``--output``."""
    if "=" not in word:
        return Output("tar", {}, "-") if word == "-" else Output("local", {}, word, folder="files")
    fields = dict(field.partition("=")[::2] for field in split_csv(word))
    kind, place = fields.pop("type", ""), fields.pop("dest", "")
    if not kind:
        raise InvalidArgument(f"--output {word}: type is required")
    if kind == "local":
        if not place:
            raise InvalidArgument("--output type=local: dest is required")
        return Output(kind, fields, place, folder="files")
    if kind in _ARCHIVES and not _is_true(kind, fields.pop("tar", "true")):
        if not place:
            raise InvalidArgument(f"--output type={kind},tar=false: dest is required")
        return Output(kind, fields, place, folder="layout")
    if kind == "docker" and not place:
        return Output("image", fields)
    if kind in ("oci", "tar"):
        place = place or "-"
    elif place and kind != "docker":
        raise InvalidArgument(f"--output {word}: type={kind} has no dest")
    return Output(kind, fields, place)


def plan_annotations(words: Iterable[str]) -> dict[str, str]:
    """``[LEVEL,…[[PLATFORM]]:]KEY=VALUE`` as an output's attributes ``annotation-LEVEL[PLATFORM].KEY``."""
    import re

    attributes: dict[str, str] = {}
    for word in words:
        match = re.fullmatch(_ANNOTATION, word, re.DOTALL)
        if match is None:
            raise InvalidArgument(f"invalid annotation {word}, expected key=value")
        levels, platform, key, value = match.groups()
        for level in (levels or "manifest").split(","):
            if level not in _LEVELS:
                raise InvalidArgument(f"invalid annotation {word}: unknown type {level}", hint=_hint())
            scope = f"[{platform}]" if platform else ""
            attributes[f"annotation-{level}{scope}.{key}"] = value
    return attributes


def _hint() -> str:
    return f"one of {', '.join(_LEVELS)}"


def _is_true(kind: str, value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise InvalidArgument(f"--output type={kind},tar={value}: neither true nor false")
