# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import pytest

from sampan.daemon.configuration import (
    Configuration,
    parse_configuration,
    read_configuration,
    registry_settings,
)
from sampan.daemon.toml_lines import locate_keys
from sampan.errors import InvalidArgument
from sampan.registry.settings import Limits, Mirror, Rule, Settings

FULL = """
unqualified-search-registries = ["a.test", "docker.io"]
insecure-registries = ["10.0.0.0/8"]
registry-mirrors = ["http://m.test:5000/"]

[[registry]]
prefix = "b.test"
blocked = true

[[registry]]
location = "c.test/deep"

[[registry.mirror]]
location = "d.test"
insecure = true
pull-from-mirror = "digest-only"

[limits]
max-layers = 7

[transfers]
max-concurrent-downloads = 2
"""


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    assert read_configuration(str(tmp_path / "none")) == Configuration()
    assert registry_settings(Configuration(), {}) == Settings()


def test_everything_reaches_the_client() -> None:
    found = registry_settings(parse_configuration(FULL, "f"), {"https_proxy": "p:1", "HOME": "/"})
    assert found.search == ("a.test", "docker.io")
    assert found.insecure == ("10.0.0.0/8",)
    assert found.rules == (
        Rule("b.test", "b.test", blocked=True),
        Rule("c.test/deep", "c.test/deep", mirrors=(Mirror("d.test", True, "digest-only"),)),
        Rule("docker.io", mirrors=(Mirror("m.test:5000", True),)),
    )
    assert found.limits == Limits(layers=7)
    assert found.downloads == 2
    assert found.environment == {"HTTPS_PROXY": "p:1"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("debug = 1", "f, line 1: debug: expected `bool`, got `int`"),
        ("a = 1\n", "f, line 1: unknown key a"),
        (
            "debug = true\n\n[limits]\n# note\nmax-layers = 0",
            "f, line 5: limits.max-layers: max-layers must be more",
        ),
        ('[[registry]]\nprefix = "a.test"\n[[registry]]\nprefx = "b"', "f, line 4: unknown key prefx"),
        (
            '[[registry]]\nprefix = "a.test"\n[[registry.mirror]]\nlocation = "x"\n[[registry.mirror]]\nlocation = 3',
            "f, line 6: registry.mirror.location: expected `str`, got `int`",
        ),
        ('[[registry]]\nprefix = "a b"', "f, line 2: registry.prefix: 'a b' is not HOST[:PORT][/PATH]"),
        ("[[registry]]\ninsecure = true", "f, line 1: registry: a registry needs a prefix or a location"),
        ("debug = = 1", "f: Invalid value (at line 1, column 9)"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match="^" + re.escape(words)):
        parse_configuration(text, "f")


def test_keys_are_found_in_dotted_and_quoted_tables() -> None:
    places = locate_keys('a.b = 1\n[ x . "y" ] # note\nz = """\n"""\n[[t]]\n[t.u]\nv = 1\n[[t]]\n')
    assert places["a", "b"] == 1
    assert places["x", "y", "z"] == 3
    assert places["t", 0, "u", "v"] == 7
    assert places["t", 1] == 8
