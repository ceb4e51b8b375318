# SPDX-License-Identifier: Apache-2.0
"""Networks through docker-py."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from integration.engine_process import EngineProcess

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def collect_garbage() -> Iterator[None]:
    """While its complaints are ignored: they are not the next module's."""
    yield
    gc.collect()


@pytest.fixture
def client(engine: EngineProcess) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=f"unix://{engine.socket}", timeout=20)
    yield client
    for container in client.containers.list(all=True):
        container.remove(force=True)
    client.networks.prune()
    client.close()


def test_a_network_with_a_container_of_fixed_address(client: docker.DockerClient) -> None:
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet="10.215.0.0/24", gateway="10.215.0.1")])
    network = client.networks.create("sea", ipam=ipam, labels={"a": "b"}, internal=True, check_duplicate=True)
    container = client.containers.create("busybox", ["sleep", "60"], name="boat")
    client.networks.get("bridge").disconnect(container)
    network.connect(container, aliases=["ferry"], ipv4_address="10.215.0.9")
    container.start()
    container.reload()
    settings = container.attrs["NetworkSettings"]["Networks"]
    assert set(settings) == {"sea"}
    assert settings["sea"]["IPAddress"] == "10.215.0.9"
    assert settings["sea"]["IPAMConfig"]["IPv4Address"] == "10.215.0.9"
    assert settings["sea"]["NetworkID"] == network.id
    network.reload()
    assert [each.name for each in network.containers] == ["boat"]
    assert b"10.215.0.9" in container.exec_run(["nslookup", "ferry"]).output


def test_run_on_a_network(client: docker.DockerClient) -> None:
    network = client.networks.create("sea")
    client.containers.run("busybox", ["sleep", "60"], name="boat", network="sea", detach=True)
    config = {"sea": client.api.create_endpoint_config(aliases=["x", "y"])}
    out = client.containers.run(
        "busybox", ["nslookup", "boat"], network="sea", networking_config=config, remove=True
    )
    assert b"Name:\tboat" in out
    with pytest.raises(APIError, match="has active endpoints") as refused:
        network.remove()
    assert refused.value.status_code == 403


def test_errors_have_dockers_statuses(client: docker.DockerClient) -> None:
    network = client.networks.create("sea")
    with pytest.raises(NotFound, match="network lake not found"):
        client.networks.get("lake")
    for status, call in (
        (409, lambda: client.networks.create("sea")),
        (403, lambda: client.networks.create("host")),
        (403, lambda: client.networks.get("none").remove()),
        (400, lambda: client.api.create_network("lake", ipam={"Config": [{"Subnet": "nonsense"}]})),
        (404, lambda: network.connect("nobody")),
        (404, lambda: client.api.connect_container_to_network("nobody", "nowhere")),
    ):
        with pytest.raises(APIError) as failed:
            call()
        assert failed.value.status_code == status, failed.value


def test_lists_and_prunes(client: docker.DockerClient) -> None:
    client.networks.create("sea", labels={"kind": "salt"})
    client.networks.create("lake")
    assert [each.name for each in client.networks.list(names=["sea"])] == ["sea"]
    assert [each.name for each in client.networks.list(filters={"label": "kind=salt"})] == ["sea"]
    assert client.networks.prune(filters={"label": ["kind"]}) == {"NetworksDeleted": ["sea"]}
    assert client.networks.prune() == {"NetworksDeleted": ["lake"]}
