# SPDX-License-Identifier: Apache-2.0
"""A container's place in its networks: planned by the engine, made by the shim.

The plan is a JSON object, because it crosses from one process to the other:

    {"namespace": "new" | "host",
     "interfaces": [{"bridge", "host_interface", "host_mac", "name", "mac",
                     "addresses": ["ADDRESS/PREFIX", …], "gateways": […], "mtu", "isolated", "ipv6"}
                    | {"parent", "mode", and all of these from "name" on}, …],
     "sysctls": {"net.ipv4.…": "…"},
     "names": {"socket", "id"}}

`names` says where the name server is that shall answer in the container, and by which id it knows that one.
An interface is one end of a veth pair, the other in a bridge of the host, or a macvlan on a `parent` link of it.
`isolated` interfaces reach the bridge, not each other. Where `ipv6` is false the interface has it switched off.

`apply_endpoint` runs in the shim once it is in its new network namespace, and speaks to the host's through a
socket that was opened before. A veth pair dies with the container's namespace; nothing has to be taken down.
Loaded by the launcher: nothing large may be imported.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from sampan.errors import NotFound
from sampan.linux import rtnetlink as rt
from sampan.linux.netlink import NetlinkError, NetlinkSocket, Request
from sampan.linux.route_dump import decode_link, find_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_LINK_WAIT_S = 0.1

DEFAULT_SYSCTLS = {
    # Docker's: the private stack has no other users to guard low ports and pings from
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}


def plan_interface(
    *,
    bridge: str,
    host_interface: str,
    name: str,
    mac: str,
    addresses: Sequence[str],
    gateways: Sequence[str] = (),
    mtu: int,
    isolated: bool = False,
) -> dict[str, Any]:
    """Plan one interface; a container has one default route of each family, so only one interface has `gateways`.

    With an IPv6 address among them it also gets a link-local one, made of its MAC as the kernel would.
    """
    has_ipv6 = any(":" in address for address in addresses)
    return {
        "bridge": bridge,
        "host_interface": host_interface,
        "host_mac": host_mac(mac),
        "name": name,
        "mac": mac,
        "addresses": [*addresses, f"{link_local_address(mac)}/64"] if has_ipv6 else list(addresses),
        "gateways": list(gateways),
        "ipv6": has_ipv6,
        "mtu": mtu,
        "isolated": isolated,
    }


def plan_macvlan(
    *,
    parent: str,
    mode: str,
    name: str,
    mac: str,
    addresses: Sequence[str],
    gateways: Sequence[str] = (),
    mtu: int,
) -> dict[str, Any]:
    """Plan one interface that is on the same wire as a link of the host, and cannot talk to the host itself."""
    plan = plan_interface(
        bridge="", host_interface="", name=name, mac=mac, addresses=addresses, gateways=gateways, mtu=mtu
    )
    return {**plan, "parent": parent, "mode": rt.MACVLAN_MODES[mode]}


def plan_endpoint(
    interfaces: Sequence[Mapping[str, Any]] = (), *, sysctls: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Plan a network namespace of the container's own: with no interfaces it is ``--network none``.

    `sysctls` are the user's ``net.…`` settings; they belong to the namespace, so they are written with it.
    """
    return {
        "namespace": "new",
        "interfaces": [dict(interface) for interface in interfaces],
        "sysctls": {**DEFAULT_SYSCTLS, **(sysctls or {})},
    }


def plan_host_endpoint() -> dict[str, Any]:
    """Plan to stay in the host's network namespace: ``--network host``."""
    return {"namespace": "host", "interfaces": [], "sysctls": {}}


def needs_namespace(plan: Mapping[str, Any]) -> bool:
    """Tell whether the shim has to unshare its network before `apply_endpoint`."""
    return bool(plan["namespace"] == "new")


def apply_endpoint(plan: Mapping[str, Any], host: NetlinkSocket) -> None:
    """Set up this process' network namespace; `host` is a route socket that was opened in the host's."""
    if not needs_namespace(plan):
        return
    for name, value in plan["sysctls"].items():
        write_sysctl(name, value)
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with rt.open_route_socket() as own:
            own.exchange([rt.set_up(rt.LOOPBACK_INDEX)])
            for interface in plan["interfaces"]:
                attach_interface(interface, host, own, namespace)
    finally:
        os.close(namespace)
    for interface in plan["interfaces"]:
        wait_for_interface(host, interface)


def remove_endpoint(host: NetlinkSocket, host_interface: str) -> None:
    """Take a container out of a network while it lives; a veth that is gone already is no error."""
    try:
        host.exchange([rt.delete_link(host_interface)])
    except NetlinkError as error:
        if error.errno != errno.ENODEV:
            raise


def wait_for_interface(host: NetlinkSocket, interface: Mapping[str, Any]) -> None:
    """Wait until an interface's links on the host carry packets; a macvlan has none there."""
    if interface["bridge"]:
        wait_for_links(host, [interface["host_interface"], interface["bridge"]])


def wait_for_links(host: NetlinkSocket, names: Sequence[str]) -> bool:
    """Wait until these links carry packets, so that a container's first one is not lost: it costs a second.

    The kernel finishes a link that has got its carrier in a worker. Since Linux 6.8 to ask for the link is to
    have it finished; before, the worker needs a moment. The order matters: a bridge follows its port.
    """
    deadline = time.monotonic() + _LINK_WAIT_S
    while True:
        answers = host.exchange([rt.get_link(name) for name in names])
        if all(decode_link(payload).operates for _, payload in answers):
            return True
        if time.monotonic() > deadline:  # a slow link is no reason not to start
            return False
        time.sleep(0.001)


def write_sysctl(name: str, value: str) -> None:
    """Write a ``net.…`` setting of this process' network namespace."""
    fd = os.open(sysctl_path(name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def sysctl_path(name: str) -> str:
    """Where a setting is; with slashes in its name, as sysctl(8) has it, dots are an interface's own."""
    return "/proc/sys/" + (name if "/" in name else name.replace(".", "/"))


def link_local_address(mac: str) -> str:
    """Return the address of fe80::/64 that goes with a MAC (RFC 4291, appendix A)."""
    one, two, three, four, five, six = (int(part, 16) for part in mac.split(":"))
    words = (one ^ 2) << 8 | two, three << 8 | 0xFF, 0xFE00 | four, five << 8 | six
    return "fe80::" + ":".join(f"{word:x}" for word in words)


def host_mac(mac: str) -> str:
    """Return the MAC of the host's end for that of the container's end.

    It is given, not left to chance, so that udev does not change it a moment later.
    """
    return "0e:42:" + mac[6:]


def attach_interface(
    interface: Mapping[str, Any], host: NetlinkSocket, own: NetlinkSocket, namespace: int
) -> None:
    """Make an interface in this thread's network namespace: `own` is a route socket of it, `namespace` a descriptor."""
    if interface.get("parent"):
        _create_macvlan(interface, host, namespace)
    else:
        _create_veth(interface, host, namespace)
    link = find_link(own, interface["name"])
    assert link is not None, "just created"
    with contextlib.suppress(FileNotFoundError):  # a kernel without it
        write_sysctl(f"net/ipv6/conf/{interface['name']}/disable_ipv6", "0" if interface["ipv6"] else "1")
    own.exchange(_configure(interface, link.index))


def _create_macvlan(interface: Mapping[str, Any], host: NetlinkSocket, namespace: int) -> None:
    parent = find_link(host, interface["parent"])
    if parent is None:
        raise NotFound(f"parent {interface['parent']}: no such interface")
    request = rt.new_macvlan(
        interface["name"],
        parent=parent.index,
        mode=interface["mode"],
        netns_fd=namespace,
        mac=interface["mac"],
        mtu=interface["mtu"],
    )
    host.exchange([request])


def _create_veth(interface: Mapping[str, Any], host: NetlinkSocket, namespace: int) -> None:
    bridge = find_link(host, interface["bridge"])
    if bridge is None:
        raise NotFound(
            f"bridge {interface['bridge']}: no such interface", hint="restart the engine to restore it"
        )
    host_interface = interface["host_interface"]
    peer = rt.VethPeer(interface["name"], namespace, interface["mac"])
    veth = rt.new_veth(
        host_interface, master=bridge.index, mac=interface["host_mac"], mtu=interface["mtu"], peer=peer
    )
    requests = [veth, rt.set_no_link_local(host_interface), rt.set_hairpin(host_interface)]
    if interface.get("isolated"):
        requests.append(rt.set_isolated(host_interface))
    host.exchange([*requests, rt.set_up(host_interface)])


def _configure(interface: Mapping[str, Any], index: int) -> list[Request]:
    requests = [rt.set_no_link_local(index), rt.set_up(index)]
    for text in interface["addresses"]:
        address, _, prefix_length = text.partition("/")
        requests.append(rt.add_address(index, address, int(prefix_length)))
    requests += [rt.add_default_route(index, gateway, replace=True) for gateway in interface["gateways"]]
    return requests
