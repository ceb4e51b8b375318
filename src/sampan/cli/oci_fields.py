# SPDX-License-Identifier: Apache-2.0
"""OCI documents for templates: JSON has ``mediaType``, a template says ``.MediaType`` as Go's structs do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPELLED = {"OS": "os", "OSVersion": "os.version", "OSFeatures": "os.features", "URLs": "urls"}


class Fields(dict[str, "Any"]):
    """Either spelling of a field is found; written as JSON it has the document's."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or super().__contains__(_spell(str(name)))

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name if super().__contains__(name) else _spell(name))


def fields(value: Any) -> Any:
    """The same with all objects inside."""
    if isinstance(value, dict):
        return Fields({key: fields(item) for key, item in value.items()})
    return [fields(item) for item in value] if isinstance(value, list) else value


def _spell(name: str) -> str:
    return _SPELLED.get(name) or name[:1].lower() + name[1:]
