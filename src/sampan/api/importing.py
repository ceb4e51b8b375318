# SPDX-License-Identifier: Apache-2.0
"""An image from the archive of a root filesystem: of the request's body, or of a URL that the engine opens.

Source: Engine API v1.51, ImageCreate with `fromSrc`. A URL without a scheme is one of http, as in Docker. Nothing but
http and https is opened: the engine's own files are not for its clients.
"""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from functools import partial
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from aiohttp import web

from sampan.api.answers import JsonLines, error_line
from sampan.api.image_events import tell
from sampan.api.keys import ENGINE
from sampan.api.piping import BodyReader
from sampan.build.changes import apply_changes
from sampan.engine.threads import start_thread
from sampan.errors import InvalidArgument, SampanError, Unavailable
from sampan.image.store import Image
from sampan.oci.reference import parse_reference
from sampan.oci.run_config import RunConfig

BODY = "-"
TIMEOUT_S = 60.0


async def import_image(request: web.Request) -> web.StreamResponse:
    """Make the image; its id is the last line."""
    source = request.query["fromSrc"]
    _config(request)  # what is wrong with the changes is a status, not a line
    if source == BODY:
        async with BodyReader.open(request) as body:
            image = await _import(request, body)
        lines = await JsonLines.open(request)
    else:
        url = plan_url(source)
        lines = await JsonLines.open(request)
        await lines.write({"status": f"Downloading from {url}"})
        try:
            image = await _import_from(request, url)
        except SampanError as error:
            await lines.write(error_line(error))
            return await lines.close()
    await lines.write({"status": str(image.id)})
    return await lines.close()


def plan_url(source: str) -> str:
    """The URL that is meant (pure)."""
    url = source if "://" in source else f"http://{source}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidArgument(f"import from {source}: only http and https URLs can be imported")
    return url


async def _import_from(request: web.Request, url: str) -> Image:
    with await asyncio.wrap_future(start_thread(partial(_open, url), name="import")) as answer:
        return await _import(request, answer)


def _open(url: str) -> BinaryIO:
    try:
        return cast("BinaryIO", urllib.request.urlopen(url, timeout=TIMEOUT_S))  # noqa: S310 - see plan_url
    except urllib.error.HTTPError as error:
        error.close()
        raise Unavailable(f"failed to GET {url} with status {error.code} {error.reason}") from None
    except OSError as error:
        raise Unavailable(f"{url}: {getattr(error, 'reason', error)}") from error


def _config(request: web.Request) -> RunConfig:
    return apply_changes(RunConfig(), request.query.getall("changes", []))


async def _import(request: web.Request, archive: BinaryIO) -> Image:
    engine = request.app[ENGINE]
    repository, tag = request.query.get("repo", ""), request.query.get("tag", "")
    reference = f"{repository}:{tag}" if repository and tag else repository
    work = partial(
        engine.images.import_tar,
        archive,
        reference or None,
        config=_config(request),
        message=request.query.get("message", ""),
    )
    image = await asyncio.wrap_future(start_thread(work, name="import"))
    if reference:
        tell(engine.events, "tag", image, parse_reference(reference).familiar())
    tell(engine.events, "import", image)
    return image
