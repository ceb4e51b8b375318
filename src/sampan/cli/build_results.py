# SPDX-License-Identifier: Apache-2.0
"""What a build leaves for scripts: ``--iidfile`` and ``--metadata-file``.

Implements: the keys of docker buildx build; objects among the values are objects there, too.
"""

from __future__ import annotations

import os
from base64 import b64decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sampan.cli.options import Options

_OBJECTS = ("containerimage.descriptor", "buildx.build.provenance")


def write_results(options: Options, image_id: str, response: Mapping[str, str]) -> None:
    """Write the files that are asked for."""
    if options.text("iidfile"):
        _write(options.text("iidfile"), image_id.encode())
    if options.text("metadata-file"):
        import json

        told = format_metadata(response)
        _write(options.text("metadata-file"), json.dumps(told, indent=2, sort_keys=True).encode())


def format_metadata(response: Mapping[str, str]) -> dict[str, Any]:
    """What the outputs answered, with objects decoded."""
    from sampan.client.jsontext import decode_json

    return {
        name: decode_json(b64decode(value)) if name.startswith(_OBJECTS) else value
        for name, value in response.items()
    }


def _write(path: str, data: bytes) -> None:
    """A file appears whole or not at all."""
    beside = f"{path}.{os.getpid()}.partial"
    with open(beside, "wb") as file:
        file.write(data)
    os.replace(beside, path)
