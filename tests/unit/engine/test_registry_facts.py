# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.engine.registry_facts import describe_proxies, describe_registries, mask_account
from sampan.registry.settings import Mirror, Rule, Settings


def test_networks_hosts_and_mirrors_are_told_apart() -> None:
    settings = Settings(
        rules=(
            Rule("docker.io", mirrors=(Mirror("mirror.example:5000"),)),
            Rule("plain.example", insecure=True),
        ),
        insecure=("10.0.0.0/8", "registry.example:5000"),
    )
    described = describe_registries(settings)
    assert described["InsecureRegistryCIDRs"] == ["10.0.0.0/8", "127.0.0.0/8", "::1/128"]
    assert described["Mirrors"] == ["https://mirror.example:5000/"]
    assert described["IndexConfigs"]["docker.io"]["Official"]
    assert {name for name, index in described["IndexConfigs"].items() if not index["Secure"]} == {
        "plain.example",
        "registry.example:5000",
    }


def test_proxies_are_shown_without_their_account() -> None:
    settings = Settings(environment={"HTTP_PROXY": "http://me:secret@proxy:3128", "NO_PROXY": "local"})
    assert describe_proxies(settings) == {
        "HttpProxy": "http://xxxxx:xxxxx@proxy:3128",
        "HttpsProxy": "",
        "NoProxy": "local",
    }


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://proxy:1", "http://proxy:1"),
        ("me:pw@proxy:1", "xxxxx:xxxxx@proxy:1"),
        ("http://me@proxy", "http://xxxxx:xxxxx@proxy"),
    ],
)
def test_masking(url: str, masked: str) -> None:
    assert mask_account(url) == masked
