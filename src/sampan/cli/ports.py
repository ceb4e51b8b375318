# SPDX-License-Identifier: Apache-2.0
"""``-p`` and ``--expose`` as the Engine API's ExposedPorts and PortBindings.

Forms: ``port``, ``host:port``, ``ip:host:port``, ``ip::port``, ranges on both sides, ``/udp`` or ``/sctp``,
IPv6 addresses in brackets, and the long form ``target=80,published=8080,protocol=tcp``. Words are those of
docker's go-connections/nat. Not here: whether a port is free.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PROTOCOLS = ("tcp", "udp", "sctp")


class Publish:
    """One container port and where it is published; `host_port` may be empty or a range."""

    __slots__ = ("container_port", "host_ip", "host_port", "protocol")

    def __init__(self, container_port: int, protocol: str, host_ip: str, host_port: str) -> None:
        self.container_port = container_port
        self.protocol = protocol
        self.host_ip = host_ip
        self.host_port = host_port

    @property
    def key(self) -> str:
        """How the Engine API names the container's port: ``80/tcp``."""
        return f"{self.container_port}/{self.protocol}"

    @property
    def binding(self) -> dict[str, str]:
        """The Engine API's PortBinding."""
        return {"HostIp": self.host_ip, "HostPort": self.host_port}


def parse_publish(text: str) -> list[Publish]:
    """Every port that one ``-p`` publishes."""
    return list(_iter_publish(_short_form(text)))


def plan_ports(
    publish: Iterable[str], expose: Iterable[str]
) -> tuple[dict[str, dict[str, str]], dict[str, list[dict[str, str]]]]:
    """ExposedPorts and PortBindings of all ``-p`` and ``--expose`` together."""
    exposed: dict[str, dict[str, str]] = {}
    bindings: dict[str, list[dict[str, str]]] = {}
    for text in publish:
        for port in parse_publish(text):
            exposed[port.key] = {}
            bindings.setdefault(port.key, []).append(port.binding)
    for text in expose:
        for key in parse_expose(text):
            exposed[key] = {}
    return exposed, bindings


def parse_expose(text: str) -> list[str]:
    """``8000``, ``8000/udp`` or ``8000-8010`` as port keys."""
    if ":" in text:
        raise InvalidArgument(f"invalid port format for --expose: {text}")
    ports, _, protocol = text.partition("/")
    try:
        start, end = _range(ports)
    except InvalidArgument as error:
        raise InvalidArgument(f"invalid range format for --expose: {text}, error: {error.message}") from None
    return [f"{port}/{protocol or 'tcp'}" for port in range(start, end + 1)]


def _short_form(text: str) -> str:
    """The long form (``name=value,…``) as the short one; the short one as it is."""
    if "=" not in text:
        return text
    fields = {"target": "", "published": "", "protocol": "tcp", "mode": ""}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise InvalidArgument(f"invalid publish opts format (should be name=value but got '{part}')")
        fields[name] = value
    short = f"{fields['target']}/{fields['protocol']}"
    return f"{fields['published']}:{short}" if fields["published"] else short


def _iter_publish(text: str) -> Iterator[Publish]:
    rest, _, protocol = text.partition("/")
    host_ip, host_port, container_port = _split(rest)
    if host_ip and not _is_address(host_ip):
        raise InvalidArgument(f"invalid IP address: {host_ip}")
    if not container_port:
        raise InvalidArgument(f"no port specified: {rest}<empty>")
    start, end = _checked_range(container_port, f"invalid containerPort: {container_port}")
    protocol = protocol.lower() or "tcp"
    wanted = end - start + 1
    hosts = _host_ports(host_port, container_port, wanted) if host_port else [""] * wanted
    if protocol not in _PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    for offset, host in enumerate(hosts):
        yield Publish(start + offset, protocol, host_ip, host)


def _split(text: str) -> tuple[str, str, str]:
    """Address, host port and container port; an address in brackets loses them."""
    parts = text.split(":")
    if len(parts) == 1:
        return "", "", parts[0]
    if len(parts) == 2:
        return "", parts[0], parts[1]
    address = ":".join(parts[:-2])
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    return address, parts[-2], parts[-1]


def _host_ports(host: str, container: str, wanted: int) -> list[str]:
    start, end = _checked_range(host, f"invalid hostPort: {host}")
    if end - start + 1 == wanted:
        return [str(port) for port in range(start, end + 1)]
    if wanted == 1:
        # One container port and several host ports: the engine takes the first that is free.
        return [host]
    raise InvalidArgument(f"invalid ranges specified for container and host Ports: {container} and {host}")


def _checked_range(text: str, complaint: str) -> tuple[int, int]:
    try:
        return _range(text)
    except InvalidArgument:
        raise InvalidArgument(complaint) from None


def _range(text: str) -> tuple[int, int]:
    if not text:
        raise InvalidArgument("empty string specified for ports")
    first, dash, last = text.partition("-")
    start = _port(first)
    end = _port(last) if dash else start
    if end < start:
        raise InvalidArgument(f"invalid range specified for port: {text}")
    return start, end


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InvalidArgument(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    number = int(text)
    if number > 65535:
        raise InvalidArgument(f'strconv.ParseUint: parsing "{text}": value out of range')
    return number


def _is_address(text: str) -> bool:
    from _socket import AF_INET, AF_INET6, inet_pton

    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except OSError:
        return False
    return True
