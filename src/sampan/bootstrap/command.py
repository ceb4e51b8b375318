# SPDX-License-Identifier: Apache-2.0
"""What ``sampan bootstrap`` does, without its flags: find the recipe, build or reuse its archive, hand it on.

The archive goes to a file or to the engine's ``POST /images/load``; the command line does either.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from sampan.bootstrap.cache import ArchiveCache, cache_key, default_cache_directory
from sampan.bootstrap.catalogue import find_recipe, load_recipe
from sampan.bootstrap.docker_archive import (
    digest_layer,
    encode_config,
    name_archive,
    start_layer,
    write_archive,
)
from sampan.bootstrap.host import HostFacts, find_ca_bundle, read_host_facts, require_mmdebstrap
from sampan.bootstrap.plan import plan_bootstrap
from sampan.bootstrap.progress import Event
from sampan.bootstrap.recipe import Recipe
from sampan.bootstrap.rootfs import write_rootfs
from sampan.errors import InvalidArgument
from sampan.oci.platform import host_platform
from sampan.oci.reference import parse_reference

_DAY_S = 86400
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One bootstrap as asked for: a catalogue's name or a recipe file, and how."""

    name: str | None = None
    recipe_file: str | None = None
    tags: tuple[str, ...] = ()
    mirror: str | None = None
    with_host_ca: bool = False
    use_cache: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the recipe, its references, and how old a reused archive is (None: newly built)."""

    recipe: Recipe
    references: tuple[str, ...]
    cached_age_s: float | None


@contextmanager
def open_archive(
    request: Request, environ: Mapping[str, str], report: Callable[[Event], None]
) -> Iterator[tuple[Outcome, IO[bytes]]]:
    """The image of a request as a docker-archive stream, built now or taken from the cache."""
    recipe = choose_recipe(request)
    references = choose_references(request, recipe)
    host = read_host_facts(
        mirror=request.mirror, ca_bundle=find_ca_bundle(environ) if request.with_host_ca else None
    )
    cache = ArchiveCache(default_cache_directory(environ))
    key = cache_key(recipe, machine=str(host_platform()), sources=host.sources(recipe.suite))
    age_s = cache.age_s(key, now=time.time()) if request.use_cache else None
    if age_s is None:
        require_mmdebstrap()
        with cache.open_writer(key) as out:
            build_archive(recipe, host, out, environ=environ, report=report)
    with cache.open_reader(key) as stream:
        yield Outcome(recipe, references, age_s), name_archive(stream, references)


def write_archive_file(stream: IO[bytes], path: str) -> None:
    """Copy an archive to a file of the user's; it takes its name when it is whole."""
    directory = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".sampan-", delete=False) as out:
        try:
            shutil.copyfileobj(stream, out, _CHUNK_BYTES)
            os.chmod(out.name, 0o644)
            os.rename(out.name, path)
        except BaseException:
            os.unlink(out.name)
            raise


def choose_recipe(request: Request) -> Recipe:
    """The recipe that a request names, complete with its bases."""
    if (request.name is None) == (request.recipe_file is None):
        raise InvalidArgument(
            "bootstrap: give either a recipe's name or --recipe FILE", hint="sampan bootstrap --list"
        )
    return load_recipe(request.recipe_file) if request.recipe_file else find_recipe(request.name or "")


def choose_references(request: Request, recipe: Recipe) -> tuple[str, ...]:
    """The image's names: the tags asked for, or the recipe's own name, each with its tag written out."""
    names = request.tags or (request.name or recipe.name,)
    return tuple(dict.fromkeys(parse_reference(name).familiar() for name in names))


def build_archive(
    recipe: Recipe,
    host: HostFacts,
    out: IO[bytes],
    *,
    environ: Mapping[str, str],
    report: Callable[[Event], None],
) -> None:
    """Build the root filesystem in a temporary place and write it to `out` as a nameless docker-archive."""
    epoch = choose_epoch(environ, now=time.time())
    with tempfile.TemporaryDirectory(prefix="sampan-bootstrap-") as work:
        # Without root, mmdebstrap's hooks run as another user of a user namespace and read their files here.
        os.chmod(work, 0o755)
        plan = plan_bootstrap(recipe, host, work=work, epoch=epoch)
        with tempfile.TemporaryFile(dir=work) as layer:
            start_layer(layer, epoch=epoch)
            probes = write_rootfs(plan, layer, name=recipe.name, work=work, environ=environ, report=report)
            report(Event("writing the image"))
            config = encode_config(recipe, diff_id=digest_layer(layer), epoch=epoch, probes=probes)
            write_archive(out, layer, config=config)


def choose_epoch(environ: Mapping[str, str], *, now: float) -> int:
    """SOURCE_DATE_EPOCH, or the beginning of today: two builds of one day give the same image."""
    given = environ.get("SOURCE_DATE_EPOCH", "")
    return int(given) if given.isdecimal() else int(now) // _DAY_S * _DAY_S
