# SPDX-License-Identifier: Apache-2.0
"""The HTTP API of the OCI distribution specification 1.1, a module a resource."""
