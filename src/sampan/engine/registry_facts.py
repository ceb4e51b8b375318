# SPDX-License-Identifier: Apache-2.0
"""What `info` says of registries and proxies (pure).

Source: Engine API v1.51, RegistryServiceConfig and IndexInfo; moby `daemon/info.go`: the name and password of a proxy
are not shown.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from sampan.registry.settings import Settings

HUB = "docker.io"
LOOPBACK = ("127.0.0.0/8", "::1/128")
_ACCOUNT = re.compile(r"(?<=//)[^/@]*@|^[^/@]*@(?=[^/]*$)")


def describe_registries(settings: Settings) -> dict[str, Any]:
    """RegistryConfig: the networks and hosts that need no certificate, and Docker Hub's mirrors."""
    networks = [name for name in settings.insecure if _is_network(name)]
    hosts = [name for name in settings.insecure if not _is_network(name)]
    hosts += [rule.prefix for rule in settings.rules if rule.insecure and rule.prefix not in hosts]
    mirrors = [
        _url(mirror.location) for rule in settings.rules if rule.prefix == HUB for mirror in rule.mirrors
    ]
    indexes = {HUB: _index(HUB, mirrors=mirrors, secure=True, official=True)}
    indexes |= {host: _index(host, mirrors=[], secure=False, official=False) for host in hosts}
    return {
        "InsecureRegistryCIDRs": sorted({*LOOPBACK, *networks}),
        "IndexConfigs": indexes,
        "Mirrors": mirrors or None,
    }


def describe_proxies(settings: Settings) -> dict[str, str]:
    """HttpProxy, HttpsProxy and NoProxy."""
    variables = settings.environment
    return {
        "HttpProxy": mask_account(variables.get("HTTP_PROXY", "")),
        "HttpsProxy": mask_account(variables.get("HTTPS_PROXY", "")),
        "NoProxy": variables.get("NO_PROXY", ""),
    }


def mask_account(url: str) -> str:
    """The URL of a proxy without who uses it."""
    return _ACCOUNT.sub("xxxxx:xxxxx@", url)


def _index(name: str, *, mirrors: list[str], secure: bool, official: bool) -> dict[str, Any]:
    return {"Name": name, "Mirrors": mirrors, "Secure": secure, "Official": official}


def _url(location: str) -> str:
    return f"https://{location.rstrip('/')}/"


def _is_network(name: str) -> bool:
    try:
        ipaddress.ip_network(name)
    except ValueError:
        return False
    return "/" in name
