# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from sampan.daemon.configuration import parse_configuration, read_configuration, read_policy
from sampan.daemon.trust_configuration import Trust, TrustPublisher, TrustRule
from sampan.errors import InvalidArgument
from sampan.oci.reference import parse_reference
from sampan.registry.trust.policy import Policy, Rule
from sampan.registry.trust.private_keys import generate_key

KEY, OTHER = generate_key().public, generate_key().public

TEXT = """\
[trust]
default = "digest"
local = "allow"

[[trust.publisher]]
name = "Ada"
keys = ["keys/ada.pub"]
key-data = ['''
{other}''']

[[trust.rule]]
match = "a.test/team"
demand = "signature"
publishers = ["Ada"]
signed-as = "up.test/team"
local = "refuse"

[[trust.rule]]
match = "a.test"
demand = "nothing"
"""


def policy_of(folder: Path, text: str) -> Policy:
    path = folder / "config.toml"
    path.write_text(text)
    return read_policy(read_configuration(str(path)), str(path))


def find(policy: Policy, name: str) -> Rule:
    return policy.find(parse_reference(name))


def test_nothing_is_demanded_without_a_policy(tmp_path: Path) -> None:
    assert policy_of(tmp_path, "debug = true") == Policy()
    assert read_policy(read_configuration("/no/such"), "/no/such") == Policy()


def test_rules_know_their_publishers_and_their_line(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ada.pub").write_bytes(KEY.pem)
    policy = policy_of(tmp_path, TEXT.format(other=OTHER.pem.decode()))
    rule = find(policy, "a.test/team/app")
    assert str(rule) == f'trust rule "a.test/team" ({tmp_path}/config.toml, line 15)'
    (signed,) = rule.signatures
    assert signed.keys == (KEY, OTHER)
    assert signed.identity.accepts(parse_reference("a.test/team/app"), "up.test/team/app")
    assert not signed.identity.accepts(parse_reference("a.test/team/app"), "")
    lenient = TEXT.replace('signed-as = "up.test/team"', 'nameless = "allow"').format(
        other=OTHER.pem.decode()
    )
    (signed,) = find(policy_of(tmp_path, lenient), "a.test/team").signatures
    assert signed.identity.accepts(parse_reference("a.test/team/app"), "")
    assert [find(policy, name).demand for name in ("a.test/x", "b.test/x")] == ["nothing", "digest"]
    assert [find(policy, name).local for name in ("a.test/team", "a.test/x", "b.test/x")] == [
        False,
        True,
        True,
    ]
    assert str(policy.default) == f"the default trust rule ({tmp_path}/config.toml, line 2)"


PUBLISHER = '[[trust.publisher]]\nname = "Ada"\nkeys = ["ada.pub"]\n'
EVE = '[[trust.publisher]]\nname = "Eve"\n'
RULE = '[[trust.rule]]\nmatch = "a.test"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[trust]\ndefault = "signature"', "line 2: trust.default: invalid enum value 'signature'"),
        ("[trust]\n\nhope = 1", "line 3: unknown key hope"),
        (PUBLISHER + PUBLISHER, "line 5: trust.publisher.name: there are two publishers called 'Ada'"),
        (
            '[[trust.publisher]]\nname = "Ada"',
            "line 1: trust.publisher: publisher 'Ada' needs keys or key-data",
        ),
        (
            '[[trust.publisher]]\nname = "Eve"\nkeys = ["eve.pub"]',
            "line 3: trust.publisher.keys: open {}/eve.pub: no such",
        ),
        (
            '[[trust.publisher]]\nname = "Eve"\nkey-data = ["x"]',
            "line 3: trust.publisher.key-data: not a key in PEM",
        ),
        (RULE + 'demand = "hope"', "line 3: trust.rule.demand: invalid enum value 'hope'"),
        (RULE, "line 1: trust.rule: object missing required field `demand`"),
        (
            RULE + 'demand = "signature"',
            "line 1: trust.rule: a rule that demands a signature needs publishers",
        ),
        (
            PUBLISHER + RULE + 'demand = "signature"\npublishers = ["Adam"]',
            "line 7: trust.rule.publishers: there is no publisher called 'Adam'",
        ),
        (
            PUBLISHER + RULE + 'demand = "digest"\npublishers = ["Ada"]',
            'line 7: trust.rule.publishers: publishers are for demand = "signature"',
        ),
        (
            '[[trust.rule]]\nmatch = "python"\ndemand = "digest"',
            "line 2: trust.rule.match: 'python' is not HOST",
        ),
        (
            RULE + 'demand = "digest"\n' + RULE + 'demand = "reject"',
            "line 5: trust.rule.match: there is a rule for 'a.test' already",
        ),
        (
            PUBLISHER
            + '[[trust.rule]]\nmatch = "*"\ndemand = "signature"\npublishers = ["Ada"]\nsigned-as = "b.test"',
            "line 8: trust.rule.signed-as: signed-as needs a match without *",
        ),
        ('[trust]\npolicy-json = "none.json"', "line 2: trust.policy-json: open {}/none.json: no such file"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "ada.pub").write_bytes(KEY.pem)
    name = str(tmp_path / "config.toml")
    with pytest.raises(
        InvalidArgument, match="^" + re.escape(f"{name}, {words}".replace("{}", str(tmp_path)))
    ):
        parse_configuration(text, name)


def test_every_key_is_described() -> None:
    shown = (Path(__file__).parents[3] / "docs/configuration.md").read_text().partition("## Trust")[2]
    for kind in (Trust, TrustPublisher, TrustRule):
        for field in msgspec.structs.fields(kind):
            assert f"{field.encode_name} = " in shown or f".{field.encode_name}]]" in shown, field.encode_name


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    shown = (Path(__file__).parents[3] / "docs/configuration.md").read_text().partition("## Trust")[2]
    example = (
        shown.partition("```toml\n")[2]
        .partition("```")[0]
        .replace("/etc/containers/policy.json", "theirs.json")
    )
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ada.pub").write_bytes(KEY.pem)
    (tmp_path / "theirs.json").write_text('{"default": [{"type": "reject"}]}')
    policy = policy_of(tmp_path, example)
    assert find(policy, "registry.example/team/app").signatures[0].keys == (KEY,)
