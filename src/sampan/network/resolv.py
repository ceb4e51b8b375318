# SPDX-License-Identifier: Apache-2.0
"""The name resolution files of a container: resolv.conf and hosts.

Implements: resolv.conf(5) and hosts(5) as Docker derives them from the host's. Pure but for
`read_host_resolv_conf`, which picks the file to start from.
Holds: a name server that a container cannot reach is never written: the host's loopback is not the
container's, and a container without IPv6 has no way to an IPv6 server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from sampan.errors import InvalidArgument
from sampan.network.address import Address

RESOLV_CONF = "/etc/resolv.conf"
SYSTEMD_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
"""What systemd-resolved asks itself, where /etc/resolv.conf only names its stub on 127.0.0.53."""

FALLBACK_NAMESERVERS = ("8.8.8.8", "8.8.4.4")
"""Docker's, for a host that has only loopback ones."""

NAME_SERVER = "127.0.0.11"
"""Where the name server of user-defined networks answers, in each container."""

HOST_GATEWAY = "host-gateway"
"""The address in ``--add-host NAME:host-gateway`` that stands for the host."""

_LOOPBACK_HOSTS = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::", "ip6-localnet"),
    ("ff00::", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
)


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """The settings of a resolv.conf that matter, in its order."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def format(self) -> str:
        """Return the file's text."""
        lines = [f"nameserver {server}" for server in self.nameservers]
        lines += [f"search {' '.join(self.search)}"] if self.search else []
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(line + "\n" for line in lines)


def parse_resolv_conf(text: str) -> ResolvConf:
    """Parse a resolv.conf as the resolver does: the last ``search`` or ``domain`` counts."""
    nameservers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = [] if line.lstrip().startswith(("#", ";")) else line.split()
        match words:
            case ["nameserver", server, *_]:
                nameservers.append(server)
            case ["search" | "domain", *domains]:
                search = domains
            case ["options", *more]:
                options += more
    return ResolvConf(tuple(nameservers), tuple(search), tuple(options))


def read_host_resolv_conf(read: Callable[[str], str] | None = None) -> ResolvConf:
    """Return the host's settings, from systemd-resolved's file if the usual one has only loopback servers."""
    read = read or _read_or_empty
    conf = parse_resolv_conf(read(RESOLV_CONF))
    if conf.nameservers and all(_is_loopback(server) for server in conf.nameservers):
        behind_stub = parse_resolv_conf(read(SYSTEMD_RESOLV_CONF))
        if any(not _is_loopback(server) for server in behind_stub.nameservers):
            return behind_stub
    return conf


def plan_resolv_conf(
    host: ResolvConf,
    *,
    nameservers: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
    shares_host: bool = False,
) -> tuple[ResolvConf, list[str]]:
    """Return a container's settings and warnings; what the user gave takes the host's place, each by itself.

    ``--dns-search .`` means no search list. With `shares_host` (``--network host``) loopback is reachable.
    """
    warnings: list[str] = []
    if nameservers:
        servers = tuple(_check_address(server) for server in nameservers)
    elif shares_host:
        servers = host.nameservers
    else:
        servers = tuple(server for server in host.nameservers if _is_reachable(server))
        if not servers:
            servers = FALLBACK_NAMESERVERS
            warnings.append(_fallback_warning(host))
    domains = host.search if not search else () if list(search) == ["."] else tuple(search)
    return ResolvConf(servers, domains, tuple(options) or host.options), warnings


def behind_name_server(conf: ResolvConf) -> ResolvConf:
    """Return the settings with our name server as the only one; it is asked for names without dots, too."""
    has_ndots = any(option.startswith("ndots:") for option in conf.options)
    options = conf.options if has_ndots else (*conf.options, "ndots:0")
    return ResolvConf((NAME_SERVER,), conf.search, options)


def add_hosts_line(text: str, address: str, names: str) -> str:
    """Return the text of /etc/hosts with one more line."""
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{address}\t{names}\n"


def drop_hosts_line(text: str, address: str) -> str:
    """Return the text of /etc/hosts without the lines of an address."""
    return "".join(line for line in text.splitlines(keepends=True) if line.split()[:1] != [address])


def format_hosts(
    *,
    addresses: Iterable[str] = (),
    hostname: str = "",
    domain: str = "",
    extra_hosts: Iterable[str] = (),
    host_gateway: Address | None = None,
    base: str | None = None,
) -> str:
    """Return a container's /etc/hosts: loopback (or the host's own file as `base`), `extra_hosts`, itself.

    `extra_hosts` are ``NAME:ADDRESS`` as in the Engine API; ADDRESS may be ``host-gateway``.
    """
    lines = [f"{address}\t{names}" for address, names in _LOOPBACK_HOSTS]
    text = base if base is not None else "".join(line + "\n" for line in lines)
    if text and not text.endswith("\n"):
        text += "\n"
    more = [parse_extra_host(entry, host_gateway) for entry in extra_hosts]
    own_names = f"{hostname}.{domain} {hostname}" if domain else hostname
    more += [(address, own_names) for address in addresses] if hostname else []
    return text + "".join(f"{address}\t{names}\n" for address, names in more)


def parse_extra_host(entry: str, host_gateway: Address | None) -> tuple[str, str]:
    """Return (address, name) of ``NAME:ADDRESS`` or ``NAME=ADDRESS``; IPv6 may stand in brackets."""
    name, separator, address = entry.partition("=" if "=" in entry else ":")
    if not name or not separator or not address:
        raise InvalidArgument(f'bad format for add-host: "{entry}"')
    if address == HOST_GATEWAY:
        if host_gateway is None:
            raise InvalidArgument(
                f"unable to derive the IP value for host-gateway: {entry}",
                hint="a container without a network has no gateway",
            )
        return str(host_gateway), name
    try:
        return str(ip_address(address.removeprefix("[").removesuffix("]"))), name
    except ValueError as error:
        raise InvalidArgument(f'invalid IP address in add-host: "{address}"') from error


def _fallback_warning(host: ResolvConf) -> str:
    found = ", ".join(host.nameservers) or "none"
    given = " and ".join(FALLBACK_NAMESERVERS)
    return (
        f"name servers: the host's are out of a container's reach ({found}), using {given}; choose with --dns"
    )


def _is_reachable(server: str) -> bool:
    return ":" not in server and not _is_loopback(server)


def _is_loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _check_address(server: str) -> str:
    try:
        return str(ip_address(server))
    except ValueError as error:
        raise InvalidArgument(f"invalid IP address: {server}") from error


def _read_or_empty(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
