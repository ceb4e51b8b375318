# SPDX-License-Identifier: Apache-2.0
"""Where a repository is looked for: mirrors first, then the registry that its name says or its rule puts there.

Implements: the prefix, location and mirror rules of containers-registries.conf(5); Docker's insecure registries.
Pure.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from sampan.errors import PermissionDenied
from sampan.oci.reference import DEFAULT_REGISTRY, Reference
from sampan.registry.settings import Mirror, Rule, Settings

HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One repository on one host. `is_named`: it is the host that the image's name says."""

    host: str
    repository: str
    insecure: bool = False
    is_named: bool = True

    @property
    def schemes(self) -> tuple[str, ...]:
        """How to speak to it, the better way first."""
        return ("https", "http") if self.insecure else ("https",)


def plan_endpoints(reference: Reference, settings: Settings, *, push: bool = False) -> tuple[Endpoint, ...]:
    """The places to ask, in this order; a push goes to the last one only."""
    rule = find_rule(reference.name, settings.rules)
    if rule is None:
        return (_endpoint(reference.name, reference, settings, insecure=False),)
    if rule.blocked:
        raise PermissionDenied(f"{reference.familiar_name}: registry is blocked by the configuration")
    mirrors = () if push else tuple(mirror for mirror in rule.mirrors if _serves(mirror, reference))
    places = [(mirror.location, mirror.insecure) for mirror in mirrors]
    places.append((rule.location or rule.prefix, rule.insecure))
    return tuple(
        _endpoint(_rewrite(reference.name, rule, location), reference, settings, insecure=insecure)
        for location, insecure in places
    )


def find_rule(name: str, rules: tuple[Rule, ...]) -> Rule | None:
    """The rule with the longest prefix of the name."""
    matching = [rule for rule in rules if _matches(name, rule.prefix)]
    return max(matching, key=lambda rule: len(rule.prefix), default=None)


def is_insecure_host(host: str, insecure: tuple[str, ...]) -> bool:
    """Whether a host is of this machine, or the configuration lists it or its network."""
    name = _without_port(host)
    if host in insecure or name in insecure or name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _networks(insecure))


def _matches(name: str, prefix: str) -> bool:
    if prefix.startswith("*."):
        return _without_port(name.partition("/")[0]).endswith(prefix[1:])
    return name == prefix or name.startswith(prefix + "/")


def _rewrite(name: str, rule: Rule, location: str) -> str:
    """The name with the rule's prefix replaced; of ``*.DOMAIN`` it is the host that gives way."""
    if rule.prefix.startswith("*."):
        return name if location == rule.prefix else location + name[len(name.partition("/")[0]) :]
    return location + name[len(rule.prefix) :]


def _serves(mirror: Mirror, reference: Reference) -> bool:
    wants_digest = reference.digest is not None
    return mirror.pull_from == "all" or wants_digest == (mirror.pull_from == "digest-only")


def _endpoint(name: str, reference: Reference, settings: Settings, *, insecure: bool) -> Endpoint:
    host, _, repository = name.partition("/")
    is_named = host == reference.registry
    if host == DEFAULT_REGISTRY:
        host = HUB_HOST
        repository = repository if "/" in repository else f"library/{repository}"
    return Endpoint(host, repository, insecure or is_insecure_host(host, settings.insecure), is_named)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _networks(texts: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            continue  # a host's name
    return networks
