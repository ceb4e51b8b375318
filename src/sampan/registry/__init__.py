# SPDX-License-Identifier: Apache-2.0
"""Registries: the client's side of the OCI distribution specification 1.1.

`settings` is what a person may configure, `endpoints` plans from it where a name is looked for; `transport` speaks
HTTP, `auth` obtains tokens, `exchange` puts both together with retries; `manifests`, `blobs` and `uploads` are the
calls, and `repository` is the face: one repository at one endpoint.
"""
