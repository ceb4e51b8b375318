# SPDX-License-Identifier: Apache-2.0
"""Which proxy a request goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go's clients read them.

Implements: the rules of golang.org/x/net/http/httpproxy, so that one environment serves Docker and us. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def proxy_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What of an environment speaks of proxies; upper case goes before lower case."""
    found = {name: environ.get(name) or environ.get(name.lower(), "") for name in VARIABLES}
    return {name: value for name, value in found.items() if value}


def choose_proxy(url: str, variables: Mapping[str, str]) -> str | None:
    """The proxy's URL; None is a direct connection."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    proxy = variables.get(f"{parts.scheme.upper()}_PROXY", "")
    if not proxy or _is_local(host) or is_excluded(host, port, variables.get("NO_PROXY", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names this host: itself, its domain, its network, or everything."""
    return any(
        _names(word.strip().lower(), host.lower(), port) for word in no_proxy.split(",") if word.strip()
    )


def _names(word: str, host: str, port: int) -> bool:
    if word == "*":
        return True
    if "/" in word:
        return _in_network(word, host)
    name, colon, wanted = word.rpartition(":")
    if colon and wanted.isdigit() and not name.endswith(":") and name.count(":") == 0:
        if int(wanted) != port:
            return False
        word = name
    if word.startswith("*."):
        word = word[1:]
    if word.startswith("."):
        return host.endswith(word)
    return host == word.strip("[]") or host.endswith("." + word)


def _in_network(word: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(word, strict=False)
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
