# SPDX-License-Identifier: Apache-2.0
"""What is demanded of images before they are used here: rules by name, of which the most specific one counts.

Pure: the values, and finding the rule. `judgement` applies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sampan.oci.reference import Reference
from sampan.registry.trust.identity import Identity
from sampan.registry.trust.keys import PublicKey
from sampan.registry.trust.patterns import Pattern

Demand = Literal["nothing", "digest", "signature", "reject"]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Somebody by name, and the keys that are theirs: a signature by any of them is theirs."""

    name: str
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature by one of these publishers, meant for this name."""

    publishers: tuple[Publisher, ...]
    identity: Identity = field(default_factory=Identity)

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """All their keys."""
        return tuple(key for publisher in self.publishers for key in publisher.keys)

    def publisher_of(self, fingerprint: str) -> str | None:
        """Whose key it is."""
        for publisher in self.publishers:
            if any(key.fingerprint == fingerprint for key in publisher.keys):
                return publisher.name
        return None

    def __str__(self) -> str:
        return " or ".join(publisher.name for publisher in self.publishers)


@dataclass(frozen=True, slots=True)
class Rule:
    """What one rule demands; `place` is FILE, line N. Every one of `signatures` has to be there.

    `local`: an image that no registry has vouched for (built, loaded, imported here) may be used under such a name.
    """

    demand: Demand
    pattern: Pattern | None = None
    signatures: tuple[Signed, ...] = ()
    local: bool = False
    reason: str = ""
    place: str = ""

    def __str__(self) -> str:
        """How refusals name it."""
        name = f'trust rule "{self.pattern.text}"' if self.pattern else "the default trust rule"
        return f"{name} ({self.place})" if self.place else name


ANYTHING = Rule("nothing", local=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules; of two for the same pattern the first counts."""

    rules: tuple[Rule, ...] = ()
    default: Rule = ANYTHING

    def find(self, reference: Reference) -> Rule:
        """The rule for a name."""
        matching = [rule for rule in self.rules if rule.pattern and rule.pattern.matches(reference)]
        return max(matching, key=_weight, default=self.default)


def merge_policies(policies: Sequence[Policy]) -> Policy:
    """One policy of several; the earlier ones go first where patterns are equal, and the first default counts."""
    rules = tuple(rule for policy in policies for rule in policy.rules)
    default = next((policy.default for policy in policies if policy.default is not ANYTHING), ANYTHING)
    return Policy(rules, default)


def _weight(rule: Rule) -> tuple[bool, int, int]:
    assert rule.pattern is not None
    return rule.pattern.weight
