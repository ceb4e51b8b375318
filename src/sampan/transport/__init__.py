# SPDX-License-Identifier: Apache-2.0
"""Images between places, without an engine: a family of sources and sinks, and one way to copy.

`location` reads what people type (``docker://``, ``oci:``, ``oci-archive:``, ``docker-archive:``, ``dir:``,
``sampan:``, ``docker-daemon:``); `model` says what a source and a sink are; `registry`, `layout`, `directory`,
`docker_archive`, `oci_archive` and `engine` are they, and `opening` makes one of a location. `copying` moves an image
from a source to a sink, with its digests as they are unless the sink or the user wants another format: then
`conversion` plans the new manifest. `mirroring` and `bundle` carry many images to machines without a network.

Models: containers-image's transports, go-containerregistry.
"""
