# SPDX-License-Identifier: Apache-2.0
"""Images in the shapes of the Engine API."""

from __future__ import annotations

import json

from image_archives import make_config
from sampan.image.describe import describe_history, inspect_image, summarise_image
from sampan.image.model import Image
from sampan.oci.config import decode_image_config


def make_image(**config: object) -> Image:
    raw = make_config([b"one", b"two"], **config)
    decoded = decode_image_config(raw)
    return Image(
        id=decoded.image_id,
        config=decoded,
        run_config=json.loads(raw)["config"],
        references=("docker.io/library/x:1", "reg.test:5000/y:2"),
        repo_digests=(),
        size_bytes=30,
        created_ns=decoded.created_ns or 0,
    )


def test_inspect_has_the_names_people_use_and_the_config_as_written() -> None:
    shown = inspect_image(make_image(Cmd=["a"], Unknown=1), driver="overlay2", mount={"UpperDir": "/u"})
    assert shown["RepoTags"] == ["x:1", "reg.test:5000/y:2"]
    assert (shown["Config"]["Cmd"], shown["Config"]["Unknown"]) == (["a"], 1)
    assert shown["Config"]["User"] == ""
    assert shown["Config"]["Labels"] is None
    assert shown["Created"] == "2024-01-02T03:04:05.5Z"
    assert shown["GraphDriver"] == {"Name": "overlay2", "Data": {"UpperDir": "/u"}}
    assert len(shown["RootFS"]["Layers"]) == 2
    assert shown["Metadata"] == {"LastTagTime": "0001-01-01T00:00:00Z"}


def test_a_summary_counts_in_seconds() -> None:
    shown = summarise_image(make_image(Labels={"a": "b"}))
    assert shown["Created"] == 1704164645
    assert (shown["Size"], shown["SharedSize"], shown["Containers"]) == (30, -1, -1)
    assert shown["Labels"] == {"a": "b"}


def test_history_is_newest_first_and_only_the_top_has_an_id() -> None:
    image = make_image()
    sizes = {str(chain): size for chain, size in zip(image.chain_ids, (10, 20), strict=True)}
    top, below = describe_history(image, sizes)
    assert (top["CreatedBy"], top["Size"], top["Id"], top["Tags"]) == (
        "step 1",
        20,
        str(image.id),
        ["x:1", "reg.test:5000/y:2"],
    )
    assert (below["CreatedBy"], below["Size"], below["Id"], below["Tags"]) == (
        "step 0",
        10,
        "<missing>",
        None,
    )


def test_empty_lines_of_history_have_no_layer() -> None:
    raw = json.loads(make_config([b"one"]))
    raw["history"] = [
        {"created_by": "a", "empty_layer": True},
        {"created_by": "b"},
        {"created_by": "c", "empty_layer": True},
    ]
    config = decode_image_config(json.dumps(raw).encode())
    image = Image(config.image_id, config, {}, (), (), 5, 0)
    sizes = {str(config.chain_ids[0]): 5}
    assert [(line["CreatedBy"], line["Size"]) for line in describe_history(image, sizes)] == [
        ("c", 0),
        ("b", 5),
        ("a", 0),
    ]
