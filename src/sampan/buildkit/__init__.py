# SPDX-License-Identifier: Apache-2.0
"""BuildKit's session and control API, so that other clients' `docker build` finds here what it finds in dockerd.

Two gRPC connections, both taken over from an HTTP request: on one the client serves its files, secrets and
log-ins (`session`), on the other we serve builds (`control`, `gateway`). Our own builder does the work.
"""
