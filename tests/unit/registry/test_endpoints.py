# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.errors import PermissionDenied
from sampan.oci.digest import Digest
from sampan.oci.reference import parse_reference
from sampan.registry.endpoints import HUB_HOST, find_rule, is_insecure_host, plan_endpoints
from sampan.registry.search import plan_search
from sampan.registry.settings import Mirror, Rule, Settings


def places(name: str, *rules: Rule, push: bool = False) -> list[tuple[str, str]]:
    planned = plan_endpoints(parse_reference(name), Settings(rules=rules), push=push)
    return [(endpoint.host, endpoint.repository) for endpoint in planned]


def test_a_short_name_is_the_hubs() -> None:
    assert places("python:3.12") == [(HUB_HOST, "library/python")]
    assert places("a/b") == [(HUB_HOST, "a/b")]


def test_mirrors_come_first_and_a_push_goes_past_them() -> None:
    rule = Rule("docker.io", mirrors=(Mirror("m.test/hub"), Mirror("n.test:5000")))
    hub = (HUB_HOST, "library/python")
    assert places("python", rule) == [
        ("m.test", "hub/library/python"),
        ("n.test:5000", "library/python"),
        hub,
    ]
    assert places("python", rule, push=True) == [hub]


def test_the_longest_prefix_counts_and_is_replaced() -> None:
    rules = (Rule("a.test", location="x.test"), Rule("a.test/team", location="y.test/our"))
    assert places("a.test/team/app", *rules) == [("y.test", "our/app")]
    assert places("a.test/teams/app", *rules) == [("x.test", "teams/app")]


def test_a_wildcard_stands_for_the_domains_hosts() -> None:
    rule = Rule("*.corp.test", location="cache.test/corp")
    assert places("a.corp.test:5000/app", rule) == [("cache.test", "corp/app")]
    assert find_rule("corp.test/app", (rule,)) is None
    assert places("a.corp.test/app", Rule("*.corp.test", location="*.corp.test")) == [("a.corp.test", "app")]


def test_a_blocked_registry_is_refused() -> None:
    with pytest.raises(PermissionDenied, match="blocked by the configuration"):
        places("a.test/x", Rule("a.test", blocked=True))


def test_a_mirror_may_serve_digests_or_tags_only() -> None:
    rule = Rule(
        "a.test", mirrors=(Mirror("d.test", pull_from="digest-only"), Mirror("t.test", pull_from="tag-only"))
    )
    assert [host for host, _ in places("a.test/x:1", rule)] == ["t.test", "a.test"]
    digest = Digest.of(b"")
    assert [host for host, _ in places(f"a.test/x@{digest}", rule)] == ["d.test", "a.test"]


def test_only_the_named_host_is_to_see_credentials() -> None:
    rule = Rule("a.test", location="b.test", mirrors=(Mirror("m.test"),))
    planned = plan_endpoints(parse_reference("a.test/x"), Settings(rules=(rule,)))
    assert [endpoint.is_named for endpoint in planned] == [False, False]
    assert plan_endpoints(parse_reference("python"), Settings())[0].is_named


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        *(("127.0.0.1:5000", True), ("127.8.8.8", True), ("localhost", True), ("[::1]:5000", True)),
        *(("a.test", True), ("a.test:5000", True), ("b.test:5000", True), ("b.test", False)),
        *(("10.1.2.3:80", True), ("11.1.2.3", False), ("localhost.test", False)),
    ],
)
def test_insecure_hosts(host: str, answer: bool) -> None:
    assert is_insecure_host(host, ("a.test", "b.test:5000", "10.0.0.0/8")) is answer


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("app:1", ["a.test/app:1", "docker.io/library/app:1"]),
        ("team/app", ["a.test/team/app:latest", "docker.io/team/app:latest"]),
        ("docker.io/app", ["docker.io/library/app:latest"]),
        ("b.test/app", ["b.test/app:latest"]),
    ],
)
def test_a_name_without_a_registry_is_looked_for_in_the_list(name: str, found: list[str]) -> None:
    assert [str(reference) for reference in plan_search(name, ("a.test", "docker.io"))] == found
