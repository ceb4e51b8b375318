# SPDX-License-Identifier: Apache-2.0
"""How a Python field name becomes the name that Docker writes: `cpu_shares` → `CpuShares`, `dns` → `Dns`."""

from __future__ import annotations

# Docker's names that are not plain CamelCase of ours.
IRREGULAR = {
    "container_id_file": "ContainerIDFile",
    "uts_mode": "UTSMode",
    "io_maximum_iops": "IOMaximumIOps",
    "io_maximum_bandwidth": "IOMaximumBandwidth",
    "kernel_memory_tcp": "KernelMemoryTCP",
    "blkio_device_read_iops": "BlkioDeviceReadIOps",
    "blkio_device_write_iops": "BlkioDeviceWriteIOps",
    "ipam_config": "IPAMConfig",
    "device_ids": "DeviceIDs",
    "ipv4_address": "IPv4Address",
    "ipv6_address": "IPv6Address",
    "link_local_ips": "LinkLocalIPs",
    "endpoint_id": "EndpointID",
    "network_id": "NetworkID",
    "dns_names": "DNSNames",
    "enable_ipv4": "EnableIPv4",
    "enable_ipv6": "EnableIPv6",
    "ipam": "IPAM",
    "ip_range": "IPRange",
}


def docker_name(field: str) -> str:
    """The wire name of a Python field, for msgspec's `rename`."""
    return IRREGULAR.get(field) or "".join(part.capitalize() for part in field.split("_"))
