# SPDX-License-Identifier: Apache-2.0
"""A solved stage to an image: the layers' digests, their snapshots' lasting names, and the config.

Layers are turned into tars only here, only for their digests, at the same time, and once: the digest is kept
with the result. The image is recorded when everything that it names is on the disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sampan.archive.diff import WrittenLayer, write_layer, write_tree_diff
from sampan.build.cache import Result
from sampan.build.caches.document import INLINE, records_object
from sampan.build.caches.outbound import make_record
from sampan.build.draft import HISTORY_COMMENT
from sampan.build.services import StepServices
from sampan.build.solver import SolvedStage
from sampan.image.model import Image, LayerInfo
from sampan.image.store import ImageStore
from sampan.oci.chain import chain_ids
from sampan.oci.config import History, encode_image_config
from sampan.oci.digest import parse_digest
from sampan.oci.platform import Platform


async def export_image(
    solved: SolvedStage,
    services: StepServices,
    images: ImageStore,
    *,
    platform: Platform,
    labels: Mapping[str, str],
    tags: tuple[str, ...],
) -> Image:
    """Record the image under its tags."""
    layers = await digest_layers(solved, services)
    extra = config_extras(services, layers)
    created_ns = services.times.created_ns
    config = build_config(
        solved, layers, platform=platform, labels=labels, extra=extra, created_ns=created_ns
    )
    # A layer's size is that of its files, which the snapshot knows; a result's is that of its tar.
    infos = [LayerInfo(parse_digest(diff_id)) for diff_id in solved.base.diff_ids]
    infos += [LayerInfo(parse_digest(layer.diff_id)) for layer in layers]
    await services.blocking.run(_name_layers, solved, services, layers)
    return await services.blocking.run(images.create, config, infos, references=tags)


def build_config(
    solved: SolvedStage,
    layers: list[Result],
    *,
    platform: Platform,
    labels: Mapping[str, str],
    extra: Mapping[str, object] | None = None,
    created_ns: int | None = None,
) -> bytes:
    """The image's config. The same results give the same bytes: times are those of the results, or the given one."""
    base, draft = solved.base, solved.draft
    history = (*base.history, *_history(solved, layers, created_ns))
    run_config = draft.config
    if labels:
        run_config = replace(run_config, labels={**run_config.labels, **labels})
    return encode_image_config(
        platform=platform,
        config=run_config,
        diff_ids=[parse_digest(text) for text in (*base.diff_ids, *(layer.diff_id for layer in layers))],
        history=history,
        created_ns=created_ns if created_ns is not None else _newest(history),
        author=draft.author,
        extra=extra,
    )


def config_extras(services: StepServices, layers: Sequence[Result]) -> dict[str, object]:
    """What an image's config has beside the image: the cache's records, if they are to travel with it."""
    if not services.inline_cache:
        return {}
    records = [make_record(services.cache, layer, layer.diff_id) for layer in layers if layer.parent]
    return {INLINE: records_object(records)}


def _newest(history: Sequence[History]) -> int:
    return max((line.created_ns for line in history if line.created_ns is not None), default=time.time_ns())


def _history(solved: SolvedStage, layers: list[Result], created_ns: int | None) -> list[History]:
    """A layer's line has its result's time, the others that of the layer before, or of the first one.

    With a time given, all have that.
    """
    times = iter([layer.created_ns for layer in layers])
    last = layers[0].created_ns if layers else solved.base.created_ns
    lines = []
    for line in solved.draft.history:
        if not line.empty_layer:
            last = next(times)
        lines.append(
            History(
                last if created_ns is None else created_ns,
                line.created_by,
                "",
                HISTORY_COMMENT,
                line.empty_layer,
            )
        )
    return lines


async def digest_layers(solved: SolvedStage, services: StepServices) -> list[Result]:
    """The layers with their digests, computed at the same time where they are not known."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_digest_layer(services, layer)) for layer in solved.base.layers]
    return [task.result() for task in tasks]


async def _digest_layer(services: StepServices, layer: Result) -> Result:
    if layer.diff_id:
        return layer
    written = await services.blocking.run(_write, services, layer)
    return services.cache.describe_layer(layer, str(written.diff_id), written.size_bytes)


def _write(services: StepServices, layer: Result) -> WrittenLayer:
    tree = services.folder(layer)
    if services.snapshots.driver.is_layered:
        return write_layer(tree, None)
    return write_tree_diff(services.parent_folder(layer), tree, None)


def _name_layers(solved: SolvedStage, services: StepServices, layers: list[Result]) -> None:
    """Put the trees on the disk, then let the snapshots be called by their chain IDs."""
    services.cache.sync([layer.key for layer in layers])
    base = [parse_digest(diff_id) for diff_id in solved.base.diff_ids]
    chain = chain_ids([*base, *(parse_digest(layer.diff_id) for layer in layers)])[len(base) :]
    for layer, chain_id in zip(layers, chain, strict=True):
        services.cache.rename(layer, str(chain_id))
