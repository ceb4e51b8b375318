# SPDX-License-Identifier: Apache-2.0
"""What /etc/hosts and /etc/resolv.conf of a container say (pure but for reading the host's own).

Where the container has a name server of ours, resolv.conf names only that one; whom it asks in turn is told to it
(memberships).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sampan.engine.memberships import Memberships
from sampan.engine.model import Container
from sampan.network.resolv import behind_name_server, format_hosts, plan_resolv_conf, read_host_resolv_conf

logger = logging.getLogger(__name__)


def format_hosts_file(container: Container, memberships: Memberships, links: Sequence[str] = ()) -> str:
    """The text of /etc/hosts; `links` are lines for containers it was linked to."""
    config, host = container.config, container.host_config
    default = memberships.networks.find("bridge").range(4)
    text = format_hosts(
        addresses=[
            address
            for endpoint in container.document.endpoints.values()
            for address in (endpoint.address, endpoint.address6)
            if address
        ],
        hostname=config.hostname,
        domain=config.domainname,
        extra_hosts=host.extra_hosts or (),
        host_gateway=default.gateway if default else None,
        base=_read_host_hosts() if host.network_mode == "host" else None,
    )
    return text + "".join(f"{line}\n" for line in links)


def format_resolv_conf(container: Container, memberships: Memberships) -> str:
    """The text of /etc/resolv.conf."""
    host = container.host_config
    conf, warnings = plan_resolv_conf(
        read_host_resolv_conf(),
        nameservers=host.dns or (),
        search=host.dns_search or (),
        options=host.dns_options or (),
        shares_host=host.network_mode == "host",
    )
    if memberships.has_names(container):
        return behind_name_server(conf).format()
    for warning in warnings:
        logger.warning("%s: %s", container.name, warning)
    return conf.format()


def _read_host_hosts() -> str:
    with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
        return file.read()
