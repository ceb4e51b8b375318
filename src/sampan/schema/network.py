# SPDX-License-Identifier: Apache-2.0
"""Networks as the bodies of `POST /networks/…` describe them.

Source: Engine API v1.51, NetworkCreate, NetworkConnect, NetworkDisconnect, IPAM.
"""

from __future__ import annotations

from sampan.schema.container import EndpointConfig, Shape


class IpamPool(Shape):
    """One subnet with what is reserved in it; addresses as text."""

    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""
    auxiliary_addresses: dict[str, str] | None = None


class Ipam(Shape):
    """Who gives out addresses, and from where."""

    driver: str = ""
    config: list[IpamPool] | None = None
    options: dict[str, str] | None = None


class ConfigReference(Shape):
    """The network whose configuration is copied."""

    network: str = ""


class NetworkCreate(Shape):
    """The body of `POST /networks/create`."""

    name: str = ""
    driver: str = ""
    scope: str = ""
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: ConfigReference | None = None
    ipam: Ipam | None = None
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    options: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class NetworkConnect(Shape):
    """The body of `POST /networks/{id}/connect`."""

    container: str = ""
    endpoint_config: EndpointConfig | None = None


class NetworkDisconnect(Shape):
    """The body of `POST /networks/{id}/disconnect`."""

    container: str = ""
    force: bool = False
