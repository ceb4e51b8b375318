# SPDX-License-Identifier: Apache-2.0
"""The messages of BuildKit's gRPC services, a module a service, with the fields that either side uses."""
