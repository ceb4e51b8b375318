# SPDX-License-Identifier: Apache-2.0
"""``[trust]`` of the configuration file: who is trusted, and what is demanded of which images.

Holds: keys are read when the configuration is, so a key that is not there stops the engine from starting, not a pull
in the night; rules know their line, so a refusal can name it.
"""

from __future__ import annotations

import os
from typing import Literal

import msgspec

from sampan.daemon.toml_lines import Path, locate_keys
from sampan.errors import InvalidArgument, SampanError
from sampan.registry.trust.identity import Identity, Match
from sampan.registry.trust.keyfiles import read_public_key
from sampan.registry.trust.keys import PublicKey, decode_public_key
from sampan.registry.trust.patterns import parse_pattern
from sampan.registry.trust.policy import Demand, Policy, Publisher, Rule, Signed, merge_policies
from sampan.registry.trust.policy_json import read_policy_json

Answer = Literal["allow", "refuse"]


class TrustPublisher(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """A ``[[trust.publisher]]``: a name for keys, in files or written here."""

    name: str
    keys: tuple[str, ...] = ()
    key_data: tuple[str, ...] = ()


class TrustRule(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """A ``[[trust.rule]]``."""

    match: str
    demand: Demand
    publishers: tuple[str, ...] = ()
    identity: Match = "match-repository"
    signed_as: str = ""
    nameless: Answer = "refuse"
    local: Answer | None = None


class Trust(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[trust]``; `default` is what is demanded of names that no rule speaks of."""

    default: Literal["nothing", "digest", "reject"] = "nothing"
    local: Answer = "refuse"
    policy_json: str = ""
    publisher: tuple[TrustPublisher, ...] = ()
    rule: tuple[TrustRule, ...] = ()


def find_trust_mistakes(trust: Trust, folder: str) -> list[tuple[Path, str]]:
    """What is of the right type and yet makes no sense, with its place; relative paths are below `folder`."""
    found: list[tuple[Path, str]] = []
    for number, publisher in enumerate(trust.publisher):
        found += _publisher_mistakes(publisher, ("trust", "publisher", number), folder)
    names = [publisher.name for publisher in trust.publisher]
    for name in sorted({name for name in names if names.count(name) > 1}):
        last = len(names) - 1 - names[::-1].index(name)
        found.append((("trust", "publisher", last, "name"), f"there are two publishers called {name!r}"))
    seen: dict[str, int] = {}
    for number, rule in enumerate(trust.rule):
        found += _rule_mistakes(rule, ("trust", "rule", number), set(names))
        if rule.match in seen:
            found.append((("trust", "rule", number, "match"), f"there is a rule for {rule.match!r} already"))
        seen[rule.match] = number
    if trust.policy_json:
        try:
            read_policy_json(os.path.join(folder, trust.policy_json))
        except SampanError as error:
            found.append((("trust", "policy-json"), error.message))
    return found


def trust_policy(trust: Trust, text: str, name: str) -> Policy:
    """The policy; `text` is the document that it was read from, and `name` what refusals call it."""
    folder, places = os.path.dirname(name), locate_keys(text)
    publishers = {one.name: Publisher(one.name, tuple(_keys(one, folder))) for one in trust.publisher}
    rules = tuple(
        _rule(rule, publishers, trust, _place(name, places.get(("trust", "rule", number))))
        for number, rule in enumerate(trust.rule)
    )
    policies = [Policy(rules)]
    if trust.default != "nothing":
        place = _place(name, places.get(("trust", "default")))
        default = Rule(trust.default, local=trust.local == "allow", place=place)
        policies = [Policy(rules, default)]
    if trust.policy_json:
        path = os.path.join(folder, trust.policy_json)
        policies.append(read_policy_json(path, local=trust.local == "allow"))
    return merge_policies(policies)


def _place(name: str, line: int | None) -> str:
    return f"{name}, line {line}" if line else name


def _rule(rule: TrustRule, publishers: dict[str, Publisher], trust: Trust, place: str) -> Rule:
    signatures: tuple[Signed, ...] = ()
    if rule.demand == "signature":
        identity = Identity(
            rule.identity,
            prefix=rule.match if rule.signed_as else "",
            signed_prefix=rule.signed_as,
            nameless=rule.nameless == "allow",
        )
        signatures = (Signed(tuple(publishers[name] for name in rule.publishers), identity),)
    local = (rule.local or trust.local) == "allow" or rule.demand == "nothing"
    return Rule(rule.demand, parse_pattern(rule.match), signatures, local=local, place=place)


def _keys(publisher: TrustPublisher, folder: str) -> list[PublicKey]:
    keys = [read_public_key(os.path.join(folder, path)) for path in publisher.keys]
    return keys + [decode_public_key(text.encode()) for text in publisher.key_data]


def _publisher_mistakes(publisher: TrustPublisher, place: Path, folder: str) -> list[tuple[Path, str]]:
    if not publisher.name:
        return [((*place, "name"), "a publisher needs a name")]
    if not publisher.keys and not publisher.key_data:
        return [(place, f"publisher {publisher.name!r} needs keys or key-data")]
    try:
        _keys(publisher, folder)
    except SampanError as error:
        return [((*place, "keys" if publisher.keys else "key-data"), error.message)]
    return []


def _rule_mistakes(rule: TrustRule, place: Path, publishers: set[str]) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    try:
        pattern = parse_pattern(rule.match)
        if rule.signed_as:
            if "*" in rule.match or pattern.tag is not None:
                found.append(((*place, "signed-as"), "signed-as needs a match without * and without a tag"))
            parse_pattern(rule.signed_as)
    except InvalidArgument as error:
        found.append(((*place, "match"), error.message))
    if rule.demand == "signature" and not rule.publishers:
        found.append((place, "a rule that demands a signature needs publishers"))
    if rule.demand != "signature" and rule.publishers:
        found.append(((*place, "publishers"), 'publishers are for demand = "signature"'))
    unknown = [name for name in rule.publishers if name not in publishers]
    if unknown:
        found.append(((*place, "publishers"), f"there is no publisher called {unknown[0]!r}"))
    return found
