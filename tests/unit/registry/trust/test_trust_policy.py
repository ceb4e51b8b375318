# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from sampan.errors import InvalidArgument
from sampan.oci.reference import parse_reference
from sampan.registry.trust.identity import Identity
from sampan.registry.trust.patterns import parse_pattern
from sampan.registry.trust.policy import ANYTHING, Policy, Rule, merge_policies
from sampan.registry.trust.policy_json import InvalidPolicy, parse_policy_json, read_policy_json
from sampan.registry.trust.private_keys import generate_key

KEY = generate_key().public
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("docker.io", "python", True),
        ("docker.io/library", "python:3.12", True),
        ("docker.io/library", "library2/python", False),
        ("docker.io/library/python", "python@" + DIGEST, True),
        ("docker.io/library/python", "pythonista", False),
        ("a.test/team", "a.test/team/deep/app", True),
        ("a.test/team", "a.test/teams/app", False),
        ("a.test/team", "a.test:5000/team/app", False),
        ("a.test:5000/team", "a.test:5000/team", True),
        ("*.test", "a.b.test/app", True),
        ("*.test", "test/app", False),
        ("*.test", "a.test.evil/app", False),
        ("*/team", "a.test/team/app", True),
        ("a.test/*/app", "a.test/x/app", True),
        ("a.test/*/app", "a.test/x/y/app", False),
        ("a.test/app-*", "a.test/app-web", True),
        ("a.test/app:v1", "a.test/app:v1", True),
        ("a.test/app:v*", "a.test/app:v2", True),
        ("a.test/app:v1", "a.test/app/below:v1", False),
        ("a.test/app:v1", "a.test/app@" + DIGEST, False),
        ("*", "anything.test/app", True),
    ],
)
def test_a_pattern_is_about_a_repository_and_what_is_below(pattern: str, name: str, matches: bool) -> None:
    assert parse_pattern(pattern).matches(parse_reference(name)) == matches


@pytest.mark.parametrize(
    "text",
    ["", "python", "library/python", "a.test/", "a.test//b", "a.test/App", "a.test/b c", "a.test/a:b:c"],
)
def test_what_names_no_registry_is_no_pattern(text: str) -> None:
    with pytest.raises(InvalidArgument, match="is not HOST"):
        parse_pattern(text)


def test_the_most_specific_rule_counts_wherever_it_stands() -> None:
    patterns = [
        "*",
        "docker.io",
        "docker.io/*/python",
        "docker.io/library",
        "docker.io/library/python",
        "docker.io/library/python:3.12",
    ]
    for rules in (patterns, patterns[::-1]):
        policy = Policy(tuple(Rule("reject", parse_pattern(text)) for text in rules))

        def found(name: str, policy: Policy = policy) -> str:
            pattern = policy.find(parse_reference(name)).pattern
            return pattern.text if pattern else ""

        assert found("a.test/app") == "*"
        assert found("somebody/app") == "docker.io"
        assert found("somebody/python") == "docker.io/*/python"
        assert found("perl") == "docker.io/library"
        assert found("python:3.13") == "docker.io/library/python"
        assert found("python:3.12") == "docker.io/library/python:3.12"
    assert Policy().find(parse_reference("python")) is ANYTHING


def test_of_two_policies_the_first_counts_where_they_speak_of_the_same() -> None:
    ours = Policy((Rule("nothing", parse_pattern("a.test"), place="ours"),))
    theirs = Policy(
        (
            Rule("reject", parse_pattern("a.test"), place="theirs"),
            Rule("reject", parse_pattern("a.test/b"), place="theirs"),
        ),
        Rule("reject", place="theirs"),
    )
    merged = merge_policies([ours, theirs])
    places = [merged.find(parse_reference(name)).place for name in ("a.test/x", "a.test/b/x", "b.test/x")]
    assert places == ["ours", "theirs", "theirs"]


@pytest.mark.parametrize(
    ("identity", "asked", "signed", "accepted"),
    [
        (Identity(), "a.test/app:1", "a.test/app", True),
        (Identity(), "a.test/app:1", "a.test/app:2", True),
        (Identity(), "a.test/app:1", "a.test/other", False),
        (Identity(), "python:3.12", "index.docker.io/library/python", True),
        (Identity(), "a.test/app:1", "not a name", False),
        (Identity(), "a.test/app:1", "", False),
        (Identity("match-exact", nameless=True), "a.test/app:1", "", True),
        (Identity(nameless=True), "a.test/app:1", "a.test/other", False),
        (Identity("match-exact"), "a.test/app:1", "a.test/app:1", True),
        (Identity("match-exact"), "a.test/app:1", "a.test/app", False),
        (Identity("match-exact"), "a.test/app@" + DIGEST, "a.test/app:1", False),
        (Identity("match-repo-digest-or-exact"), "a.test/app:1", "a.test/app:1", True),
        (Identity("match-repo-digest-or-exact"), "a.test/app:1", "a.test/app:2", False),
        (Identity("match-repo-digest-or-exact"), "a.test/app:1", "a.test/app", False),
        (Identity("match-repo-digest-or-exact"), "a.test/app@" + DIGEST, "a.test/app:1", True),
        (Identity(fixed="b.test/app"), "a.test/app:1", "b.test/app", True),
        (Identity(fixed="b.test/app"), "a.test/app:1", "a.test/app", False),
        (Identity("match-exact", fixed="b.test/app:9"), "a.test/app:1", "b.test/app:9", True),
        (Identity(prefix="a.test", signed_prefix="b.test/up"), "a.test/x/app:1", "b.test/up/x/app", True),
        (Identity(prefix="a.test", signed_prefix="b.test/up"), "a.test/x/app:1", "a.test/x/app", False),
        (Identity(prefix="a.test", signed_prefix="b.test"), "a.test.evil/app:1", "b.test.evil/app", False),
    ],
)
def test_a_signature_is_for_a_name(identity: Identity, asked: str, signed: str, accepted: bool) -> None:
    assert identity.accepts(parse_reference(asked), signed) == accepted


def document(**scopes: list[dict[str, object]]) -> bytes:
    docker = {scope.replace("_", "."): requirements for scope, requirements in scopes.items()}
    return json.dumps({"default": [{"type": "reject"}], "transports": {"docker": docker}}).encode()


def signed(**fields: object) -> dict[str, object]:
    return {"type": "sigstoreSigned", "keyData": base64.b64encode(KEY.pem).decode(), **fields}


def test_containers_policy_is_read(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(KEY.pem)
    path = tmp_path / "policy.json"
    by_path = {"type": "sigstoreSigned", "keyPath": str(tmp_path / "key.pub")}
    path.write_bytes(
        document(
            a_test=[signed()],
            b_test=[{"type": "insecureAcceptAnything"}],
            c_test=[{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "x"}],
            d_test=[by_path, signed(signedIdentity={"type": "matchRepository"})],
        )
    )
    policy = read_policy_json(str(path))

    def rule(host: str) -> Rule:
        return policy.find(parse_reference(f"{host}/app"))

    assert [rule(host).demand for host in ("a.test", "b.test", "c.test", "d.test", "e.test")] == [
        "signature", "nothing", "reject", "signature", "reject",
    ]  # fmt: skip
    assert rule("c.test").reason == "signedBy cannot be checked here"
    assert [one.keys for one in rule("d.test").signatures] == [(KEY,), (KEY,)]
    assert [one.identity.match for one in rule("d.test").signatures] == [
        "match-repo-digest-or-exact",
        "match-repository",
    ]
    assert str(rule("e.test")) == f"the default trust rule ({path})"
    assert str(rule("a.test")) == f'trust rule "a.test" ({path})'
    assert not rule("a.test").local
    assert read_policy_json(str(path), local=True).find(parse_reference("a.test/app")).local


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "matchExact"}, Identity("match-exact")),
        (
            {"type": "exactReference", "dockerReference": "b.test/a:1"},
            Identity("match-exact", fixed="b.test/a:1"),
        ),
        ({"type": "exactRepository", "dockerRepository": "b.test/a"}, Identity(fixed="b.test/a")),
        (
            {"type": "remapIdentity", "prefix": "a.test", "signedPrefix": "b.test"},
            Identity("match-repo-digest-or-exact", prefix="a.test", signed_prefix="b.test"),
        ),
    ],
)
def test_identities_of_containers_policy(identity: dict[str, str], expected: Identity) -> None:
    policy = parse_policy_json(document(a_test=[signed(signedIdentity=identity)]), "policy.json")
    assert policy.rules[0].signatures[0].identity == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"[]", "policy.json: policy is not a JSON object"),
        (b"{}", "default is missing"),
        (b'{"default":[]}', "default: no requirements"),
        (b'{"default":[{"type":"hope"}]}', "unknown requirement 'hope'"),
        (b'{"default":[{"type":"reject"}],"extra":1}', "unknown key 'extra'"),
        (document(a_test=[{"type": "sigstoreSigned"}]), "a.test: sigstoreSigned needs keyPath"),
        (document(a_test=[signed(keyData="%")]), "a.test: keyData is not base64"),
        (document(a_test=[signed(hope=1)]), "a.test: unknown key 'hope'"),
        (document(a_test=[signed(signedIdentity={"type": "hope"})]), "a.test: unknown signedIdentity 'hope'"),
        (document(a_test=[signed(signedIdentity={"type": "exactReference"})]), "needs dockerReference"),
        (document(a_test=[{"type": "sigstoreSigned", "keyPath": "/no/such"}]), "open /no/such: no such file"),
    ],
)
def test_mistakes_of_a_policy_file_are_named(raw: bytes, words: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        parse_policy_json(raw, "policy.json")
    assert words in caught.value.message
    assert caught.value.message.startswith("policy.json: ")


def test_what_cannot_be_checked_refuses_and_says_so() -> None:
    for field in ("fulcio", "rekorPublicKeyPath"):
        policy = parse_policy_json(document(a_test=[signed(**{field: "x"})]), "policy.json")
        assert (policy.rules[0].demand, policy.rules[0].reason) == (
            "reject",
            f"{field} cannot be checked here",
        )
