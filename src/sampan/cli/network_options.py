# SPDX-License-Identifier: Apache-2.0
"""``--network`` in both its forms, and the flags that describe the endpoint on it.

The long form is ``name=net,alias=a,ip=…,ip6=…,mac-address=…,link-local-ip=…,driver-opt=k=v,gw-priority=1``.
The flags ``--ip``, ``--network-alias``, ``--link`` … belong to the first network named; docker refuses them
beside the same thing in the long form, in these words.
"""

from __future__ import annotations

from sampan.cli.mounts import split_csv
from sampan.cli.sizes import read_flag
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from sampan.cli.options import Options

    Endpoint: TypeAlias = dict[str, object]

_BUILT_IN = frozenset(["bridge", "host", "none", "default"])


class Attachment:
    """One network and what was said about the endpoint on it."""

    __slots__ = ("addresses", "aliases", "driver_options", "link_local", "links", "mac", "priority", "target")

    def __init__(self, target: str) -> None:
        self.target = target
        self.aliases: list[str] = []
        self.links: list[str] = []
        self.addresses: dict[str, str] = {}
        self.link_local: list[str] = []
        self.driver_options: dict[str, str] = {}
        self.mac = ""
        self.priority = 0

    @property
    def is_user_defined(self) -> bool:
        """Whether the network is one that somebody created: only those know aliases."""
        return self.target not in _BUILT_IN and not self.target.startswith("container:")

    def endpoint(self) -> Endpoint:
        """The Engine API's EndpointSettings."""
        settings: Endpoint = {}
        addresses: Endpoint = dict(self.addresses)
        if self.link_local:
            addresses["LinkLocalIPs"] = self.link_local
        for key, value in (
            ("IPAMConfig", addresses),
            ("Links", self.links),
            ("Aliases", self.aliases),
            ("MacAddress", self.mac),
            ("DriverOpts", self.driver_options),
            ("GwPriority", self.priority),
        ):
            if value:
                settings[key] = value
        return settings


def plan_networks(options: Options) -> tuple[str, dict[str, Endpoint]]:
    """The NetworkMode, and the endpoints of every network by its name."""
    attachments = [read_flag("--network", word, parse_attachment) for word in options.several("network")]
    if not attachments:
        attachments = [Attachment("default")]
    _apply_flags(attachments[0], options)
    endpoints: dict[str, Endpoint] = {}
    for attachment in attachments:
        if attachment.aliases and not attachment.is_user_defined:
            raise InvalidArgument("network-scoped aliases are only supported for user-defined networks")
        if attachment.mac:
            parse_mac(attachment.mac)
        if attachment.target in endpoints:
            raise InvalidArgument(f'network "{attachment.target}" is specified multiple times')
        endpoints[attachment.target] = attachment.endpoint()
    if len({attachment.is_user_defined for attachment in attachments}) > 1:
        raise InvalidArgument(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
    first = attachments[0].target
    # An endpoint without settings is the engine's to make; docker sends it for the default network only.
    return first, endpoints if len(endpoints) > 1 or endpoints[first] or first == "default" else {}


def parse_attachment(word: str) -> Attachment:
    """A network's name, or the long form."""
    if "=" not in word:
        return Attachment(word)
    attachment = Attachment("")
    for field in split_csv(word):
        name, equals, value = field.partition("=")
        if not equals:
            raise InvalidArgument(f"invalid field {field}")
        _set(attachment, name.strip().lower(), value.strip())
    if not attachment.target:
        raise InvalidArgument("network name/id is not specified")
    return attachment


def _set(attachment: Attachment, name: str, value: str) -> None:
    if name == "name":
        attachment.target = value
    elif name == "alias":
        attachment.aliases.append(value)
    elif name == "driver-opt":
        key, equals, text = value.partition("=")
        if not equals:
            raise InvalidArgument("invalid key value pair format in driver options")
        attachment.driver_options[key.strip().lower()] = text.strip()
    elif name == "ip":
        attachment.addresses["IPv4Address"] = value
    elif name == "ip6":
        attachment.addresses["IPv6Address"] = value
    elif name == "mac-address":
        attachment.mac = value
    elif name == "link-local-ip":
        attachment.link_local.append(value)
    elif name == "gw-priority":
        attachment.priority = _priority(value)
    else:
        raise InvalidArgument(f"invalid field key {name}")


def _priority(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"invalid gw-priority ({text}): invalid syntax") from None


def parse_mac(text: str) -> str:
    """A MAC address, kept as written; InvalidArgument when it is none."""
    separator = "-" if "-" in text else ":"
    parts = text.strip().split(separator)
    digits = set("0123456789abcdefABCDEF")
    if len(parts) not in (6, 8, 20) or any(len(part) != 2 or not set(part) <= digits for part in parts):
        raise InvalidArgument(f"{text} is not a valid mac address")
    return text


def _apply_flags(attachment: Attachment, options: Options) -> None:
    """The endpoint flags say the same as the long form, so not both may be given."""
    aliases, links = options.several("network-alias"), options.several("link")
    link_local, mac = options.several("link-local-ip"), options.text("mac-address")
    if attachment.aliases and aliases:
        raise _both("network-alias", "alias")
    if attachment.link_local and link_local:
        raise _both("link-local-ip", "link-local IP addresses")
    if attachment.mac and mac:
        raise _both("mac-address", "MAC address")
    attachment.aliases = attachment.aliases or aliases
    if attachment.is_user_defined:
        # Elsewhere a link is a matter of the container, not of an endpoint.
        attachment.links = links
    attachment.link_local = attachment.link_local or link_local
    attachment.mac = attachment.mac or mac
    for flag, key in (("ip", "IPv4Address"), ("ip6", "IPv6Address")):
        address = options.text(flag)
        if address and key in attachment.addresses:
            raise _both(flag, f"IP{'v6' if flag == 'ip6' else 'v4'} address")
        if address:
            attachment.addresses[key] = address


def _both(flag: str, field: str) -> InvalidArgument:
    return InvalidArgument(f"conflicting options: cannot specify both --{flag} and per-network {field}")


def parse_ip(text: str) -> str:
    """An IPv4 or IPv6 address."""
    from _socket import AF_INET, AF_INET6, inet_pton

    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text.strip())
    except OSError:
        raise InvalidArgument(f"invalid string being converted to IP address: {text}") from None
    return text.strip()


def parse_link(text: str) -> str:
    """``name`` or ``name:alias``, always with an alias."""
    name, colon, alias = text.partition(":")
    if not text:
        raise InvalidArgument("empty string specified for links")
    if ":" in alias:
        raise InvalidArgument(f"bad format for links: {text}")
    return text if colon else f"{name}:{name}"
