# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import pytest

from sampan.daemon.registry_server_configuration import (
    ServerConfiguration,
    parse_duration,
    parse_server_configuration,
    parse_size,
    plan_server,
)
from sampan.errors import InvalidArgument
from sampan.registry.server.access.rules import AccessRule
from sampan.registry.server.storage.retention import RetentionRule
from sampan.registry.server.worker import Plan

PAGE = (Path(__file__).parents[3] / "docs/registry.md").read_text()


def _plan(text: str) -> Plan:
    return plan_server(parse_server_configuration(text, "/etc/r.toml"), text, "/etc/r.toml", "/root", {})


def test_nothing_is_all_defaults() -> None:
    plan = _plan("")
    bare = Plan("/root")
    for name in ("root", "limits", "certificate", "htpasswd", "tokens", "rules", "has_pages", "has_metrics"):
        assert getattr(plan, name) == getattr(bare, name), name
    assert (plan.upkeep.grace, plan.upkeep.interval_s) == (bare.upkeep.grace, bare.upkeep.interval_s)
    assert (plan.quotas.total_bytes, plan.access_log) == (None, ""), "the log goes to standard error"
    assert parse_server_configuration("", "f") == ServerConfiguration()


def test_the_example_of_the_documentation_is_read_whole() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    plan = _plan(text)
    assert plan.certificate is not None
    assert plan.certificate.chain == "/etc/tls/server.crt"
    assert plan.htpasswd == "/etc/htpasswd"
    assert plan.tokens is not None
    assert plan.tokens.accepted == [("https://ci.example", "/etc/ci.pem")]
    assert plan.rules.rules[1] == AccessRule("public/*", ("pull",), anonymous=True)
    assert plan.quotas.total_bytes == 500 << 30
    assert plan.quotas.of("home/ada") == 10 << 30
    assert plan.upkeep.grace.untagged_s == 30 * 86400
    assert plan.upkeep.retention == [RetentionRule("team/*", ("pr-*",), ("pr-demo",), 10, 14 * 86400)]
    (cache,) = plan.caches
    assert str(cache.reference("hub/python")) == "docker.io/library/python"
    assert str(cache.reference("hub/grafana/loki")) == "docker.io/grafana/loki"
    assert not cache.fits("hubbub/x")


def test_the_documentation_names_every_key() -> None:
    def keys(kind: type) -> set[str]:
        import msgspec

        found: set[str] = set()
        for field in msgspec.structs.fields(kind):
            found.add(field.encode_name)
            for part in re.findall(r"'?([A-Z]\w+)", str(field.type)):
                inner = getattr(__import__(kind.__module__, fromlist=[part]), part, None)
                if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                    found |= keys(inner)
        return found

    missing = [key for key in keys(ServerConfiguration) if not re.search(rf"\b{re.escape(key)}\b", PAGE)]
    assert missing == []


MISTAKES = {
    "listenn = 1": "f, line 1: unknown key listenn",
    "workers = 'x'": "f, line 1: workers: expected `int`",
    "[limits]\n\nstall-timeout = 'soon'": "f, line 3: limits.stall-timeout: 'soon' is not a time",
    "[quota]\ntotal = 'much'": "f, line 2: quota.total: 'much' is not a size",
    "[[access]]\nanonymous = true\n": "rules need",
    "[auth]\nhtpasswd='x'\n[[access]]\nallow = ['pull']": "f, line 3: access: a rule is for users",
    "[auth]\nhtpasswd='x'\n[[access]]\ngroups = ['x']": "f, line 4: access.groups: there is no group 'x'",
    "[[access]]\nusers = ['a']\n[[access]]\nallow = ['fly']": "f, line 4: access.allow: invalid enum value 'fly'",
    "[[retention]]\nkeep-last = -1": "f, line 2: retention.keep-last: keep-last must not be negative",
    "[[retention]]\nkeep-last = 1\n[[retention]]\ntags = ['x']": "f, line 3: retention: a rule needs keep-last",
    "[[cache]]\nupstream = 'https://x'": "f, line 2: cache.upstream: 'https://x' is not HOST",
    "[[cache]]\nupstream = 'x'\nusername = 'a'\npassword-file = 'absent'": "f, line 4: cache.password-file",
    "[[auth.token.accept]]\nissuer = 'x'": "missing required field `key`",
    "x": "f: Expected",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_named_with_their_line(text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        plan_server(parse_server_configuration(text, "f"), text, "f", "/root", {})
    assert MISTAKES[text] in failure.value.message


def test_times_and_sizes() -> None:
    assert [parse_duration(text) for text in ("90s", "1.5h", "2w", "0s", "5", "-1s", "1y")] == [
        90,
        5400,
        1209600,
        0,
        None,
        None,
        None,
    ]
    assert [parse_size(text) for text in ("4096", "1kB", "2MiB", "3GB", "1 TiB", "-1", "1XB")] == [
        4096,
        1000,
        2 << 20,
        3 * 10**9,
        1 << 40,
        None,
        None,
    ]
