# SPDX-License-Identifier: Apache-2.0
"""What kinds of values a project has: names for the types of the model's fields.

A kind says how a value of a file is read (`decode`) and how it is shown (`render`); the values themselves are
plain ints, strings and dicts. Sizes are bytes and durations nanoseconds, both shown as compose shows them.
"""

from __future__ import annotations

from typing import Annotated

Texts = tuple[str, ...]
Size = Annotated[int, "size"]
Duration = Annotated[int, "duration"]
MaybeDuration = Annotated[int | None, "duration?"]
Real = Annotated[float, "real"]
Whole = Annotated[int, "whole"]
MaybeWhole = Annotated[int | None, "whole?"]
Flag = Annotated[bool, "flag"]
MaybeFlag = Annotated[bool | None, "flag?"]
Text = Annotated[str, "text"]
FileMode = Annotated[int | None, "mode"]
Command = Annotated[Texts | None, "command"]  # None is the image's own; () is none at all
HealthTest = Annotated[Texts, "test"]
TextList = Annotated[Texts, "texts"]
TextMap = Annotated[dict[str, str], "map"]
Environment = Annotated[dict[str, str | None], "environment"]  # None: named, but has no value anywhere
Hosts = Annotated[dict[str, Texts], "hosts"]
SshKeys = Annotated[dict[str, str], "ssh"]
DeviceCount = Annotated[int, "count"]  # -1 is all
Extensions = Annotated[dict[str, object], "extensions"]
