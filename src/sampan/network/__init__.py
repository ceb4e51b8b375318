# SPDX-License-Identifier: Apache-2.0
"""Networks of containers: addresses, bridges, the packet filter, published ports, name resolution files.

`names`, `address`, `publication`, `ruleset` and `resolv` decide; `bridge`, `firewall`, `ports` and `endpoint`
do, with netlink only. `endpoint` is the part that the shim loads.
"""
