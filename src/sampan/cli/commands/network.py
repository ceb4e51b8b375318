# SPDX-License-Identifier: Apache-2.0
"""``sampan network ls``, ``rm``, ``connect`` and ``disconnect``; ``create`` has a module of its own."""

from __future__ import annotations

from sampan.cli.command import Command, at_least, exactly
from sampan.cli.each import for_each
from sampan.cli.filters import filter_flag, parse_filters
from sampan.cli.flags import number, several, switch, text
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.cli.wording import format_labels, label_method, short_id, split_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json


def listing_of(*, full: bool) -> Listing:
    """The columns; `full` shows ids uncut."""
    return Listing(
        "*network.networkContext",
        {
            "ID": ("NETWORK ID", lambda network: network["Id"] if full else short_id(network["Id"])),
            "Name": ("NAME", lambda network: network["Name"]),
            "Driver": ("DRIVER", lambda network: network["Driver"]),
            "Scope": ("SCOPE", lambda network: network["Scope"]),
            "IPv4": ("IPV4", lambda network: _word(network.get("EnableIPv4", True))),
            "IPv6": ("IPV6", lambda network: _word(network.get("EnableIPv6", False))),
            "Internal": ("INTERNAL", lambda network: _word(network.get("Internal", False))),
            "Labels": ("LABELS", lambda network: format_labels(network.get("Labels"))),
            "CreatedAt": ("CREATED AT", _created),
        },
        {"Label": lambda network: label_method(network.get("Labels"))},
    )


def _word(fact: bool) -> str:
    return "true" if fact else "false"


def _created(network: Json) -> str:
    moment: str = network.get("Created", "")
    return moment.replace("T", " ").replace("Z", " +0000 UTC")


def run_ls(context: Context, options: Options, _arguments: list[str]) -> int:
    """List by name."""
    networks = context.engine.networks.list(filters=parse_filters(options.several("filter")))
    listing_of(full=options.switch("no-trunc")).show(
        context.out,
        sorted(networks, key=lambda network: str(network["Name"])),
        template=options.text("format"),
        default=("ID", "Name", "Driver", "Scope"),
        quiet="ID" if options.switch("quiet") else "",
    )
    return 0


def run_rm(context: Context, options: Options, arguments: list[str]) -> int:
    """Remove one after the other."""
    return for_each(
        context,
        arguments,
        lambda engine, name: engine.networks.remove(name),
        missing_is_fine=options.switch("force"),
    )


def run_connect(context: Context, options: Options, arguments: list[str]) -> int:
    """Put a container on a network; nothing is printed."""
    network, container = arguments
    endpoint: Json = {
        "Aliases": options.several("alias"),
        "DriverOpts": split_pairs(options.several("driver-opt")),
        "GwPriority": options.number("gw-priority"),
        "IPAMConfig": {
            "IPv4Address": options.text("ip"),
            "IPv6Address": options.text("ip6"),
            "LinkLocalIPs": options.several("link-local-ip"),
        },
        "Links": options.several("link"),
    }
    context.engine.networks.connect(network, {"Container": container, "EndpointConfig": endpoint})
    return 0


def run_disconnect(context: Context, options: Options, arguments: list[str]) -> int:
    """Take a container off a network; nothing is printed."""
    network, container = arguments
    context.engine.networks.disconnect(network, container, force=options.switch("force"))
    return 0


LS = Command(
    "network ls",
    "network list",
    run=run_ls,
    summary="List networks",
    usage="[OPTIONS]",
    flags=(
        filter_flag('Provide filter values (e.g. "driver=bridge")'),
        FORMAT_FLAG,
        switch("no-trunc", "Do not truncate the output"),
        switch("quiet", "Only display network IDs", short="q"),
    ),
)
RM = Command(
    "network rm",
    "network remove",
    run=run_rm,
    summary="Remove one or more networks",
    usage="NETWORK [NETWORK...]",
    arity=at_least(1),
    flags=(switch("force", "Do not error if the network does not exist", short="f"),),
)
CONNECT = Command(
    "network connect",
    run=run_connect,
    summary="Connect a container to a network",
    usage="[OPTIONS] NETWORK CONTAINER",
    arity=exactly(2),
    flags=(
        several("alias", "Add network-scoped alias for the container", commas=True),
        several("driver-opt", "driver options for the network", commas=True),
        number(
            "gw-priority",
            "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
        ),
        text("ip", 'IPv4 address (e.g., "172.30.100.104")'),
        text("ip6", 'IPv6 address (e.g., "2001:db8::33")'),
        several("link", "Add link to another container"),
        several("link-local-ip", "Add a link-local address for the container", commas=True),
    ),
)
DISCONNECT = Command(
    "network disconnect",
    run=run_disconnect,
    summary="Disconnect a container from a network",
    usage="[OPTIONS] NETWORK CONTAINER",
    arity=exactly(2),
    flags=(switch("force", "Force the container to disconnect from a network", short="f"),),
)
