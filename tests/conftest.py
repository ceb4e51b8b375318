# SPDX-License-Identifier: Apache-2.0
"""What all tests share: property tests look for new examples at a desk, and repeat the same ones in CI."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import Phase, settings

settings.register_profile("ci", derandomize=True, phases=[Phase.explicit, Phase.reuse, Phase.generate])
if os.environ.get("CI"):
    settings.load_profile("ci")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every command they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: what begins last should be short, or the other workers wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
