# SPDX-License-Identifier: Apache-2.0
"""`POST /commit`: a container as an image.

Source: Engine API v1.51, ImageCommit.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from sampan.api import query
from sampan.api.answers import json_response
from sampan.api.image_events import tell
from sampan.api.keys import ENGINE
from sampan.engine.commit import CommitRequest
from sampan.oci.reference import parse_reference
from sampan.schema.container import ContainerCreate

routes = web.RouteTableDef()


@routes.post("/commit")
async def commit(request: web.Request) -> web.Response:
    """ImageCommit: the body may alter the configuration, and so do `changes`."""
    engine = request.app[ENGINE]
    container = engine.containers.find(request.query.get("container", ""))
    body = await request.read()
    repository, tag = request.query.get("repo", ""), request.query.get("tag", "")
    image = await engine.commits.commit(
        container,
        CommitRequest(
            name=f"{repository}:{tag}" if repository and tag else repository,
            comment=request.query.get("comment", ""),
            author=request.query.get("author", ""),
            changes=[line for text in request.query.getall("changes", []) for line in text.splitlines()],
            config=msgspec.json.decode(body, type=ContainerCreate | None) if body.strip() else None,
            pause=query.flag(request.query, "pause", default=True),
        ),
    )
    name = parse_reference(image.references[0]).familiar() if repository else ""
    tell(engine.events, "create", image)
    if name:
        tell(engine.events, "tag", image, name)
    more = {"imageRef": name} if name else {}
    comment = request.query.get("comment", "")
    engine.containers.publish(container, "commit", comment=comment, imageID=str(image.id), **more)
    return json_response({"Id": str(image.id)}, status=201)
