# SPDX-License-Identifier: Apache-2.0
"""A registry of one's own: the server's side of the OCI distribution specification 1.1.

`storage` keeps blobs and indexes on disk and knows nothing of HTTP; `protocol` is the specification's API over it;
`access` says who may do what; `upstream` makes it a cache of other registries; `pages` shows it to people; `serve`
starts the worker processes, and `upkeep` collects garbage while they serve.
"""
