# SPDX-License-Identifier: Apache-2.0
"""What all tests share: property tests look for new examples at a desk, and repeat the same ones in CI."""

from __future__ import annotations

import os

from hypothesis import Phase, settings

settings.register_profile("ci", derandomize=True, phases=[Phase.explicit, Phase.reuse, Phase.generate])
if os.environ.get("CI"):
    settings.load_profile("ci")
