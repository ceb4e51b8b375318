# SPDX-License-Identifier: Apache-2.0
"""docker-py, the library that other tools are written with."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, BuildError, ContainerError, ImageNotFound, NotFound

from integration.engine_process import EngineProcess

# The library leaves sockets to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def client(engine: EngineProcess) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=f"unix://{engine.socket}", timeout=20)
    yield client
    client.close()


def test_ping_version_and_info(client: docker.DockerClient) -> None:
    assert client.ping() is True
    assert client.version()["ApiVersion"] == "1.51"
    assert client.info()["OSType"] == "linux"


def test_run_and_its_errors(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"
    with pytest.raises(ContainerError) as failed:
        client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    assert failed.value.exit_status == 3
    assert b"bad" in failed.value.stderr
    with pytest.raises(ImageNotFound):
        client.api.create_container("no-such-image:1", ["true"])
    with pytest.raises(NotFound):
        client.containers.get("nobody")
    with pytest.raises(APIError, match="executable file not found"):
        client.containers.run("busybox", ["frobnicate"], remove=True)


def test_life_of_a_container(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sleep", "60"], detach=True, name="ship", labels={"a": "b"})
    assert [each.name for each in client.containers.list(filters={"label": "a=b"})] == ["ship"]
    container.reload()
    assert container.status == "running"
    container.pause()
    container.unpause()
    container.stop(timeout=0)
    assert container.wait() == {"StatusCode": 137}
    container.remove()
    assert client.containers.list(all=True) == []


def test_exec(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sleep", "60"], detach=True)
    code, output = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 4"], demux=True)
    assert (code, output) == (4, (b"out\n", b"err\n"))
    _, stream = container.exec_run(["seq", "3"], stream=True)
    assert b"".join(stream) == b"1\n2\n3\n"


def test_exec_with_a_socket(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sleep", "60"], detach=True)
    made = client.api.exec_create(container.id, ["cat"], stdin=True, tty=False)
    stream = client.api.exec_start(made["Id"], socket=True)
    stream._sock.sendall(b"typed")
    stream._sock.shutdown(1)
    data = b""
    while chunk := stream._sock.recv(4096):
        data += chunk
    stream._response.close()
    stream.close()
    assert data == b"\x01\0\0\0\0\0\0\x05typed"
    assert client.api.exec_inspect(made["Id"])["ExitCode"] == 0


def test_logs_and_attach(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["sh", "-c", "echo one; echo two >&2"])
    output = container.attach(stream=True, logs=True)
    container.start()
    assert sorted(output) == [b"one\n", b"two\n"]
    container.wait()
    assert container.logs(stderr=False) == b"one\n"
    assert b"".join(container.logs(stream=True, follow=True, stdout=False)) == b"two\n"


def test_build(client: docker.DockerClient) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, text in {
            "Dockerfile": 'FROM busybox\nCOPY f /f\nRUN cat /f >/g\nCMD ["cat", "/g"]\n',
            "f": "text\n",
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    context.seek(0)
    image, lines = client.images.build(fileobj=context, custom_context=True, tag="built:py", rm=True)
    assert any("Successfully built" in line.get("stream", "") for line in lines)
    assert client.containers.run("built:py", remove=True) == b"text\n"
    client.images.remove(image.id, force=True)


def test_a_build_that_fails(client: docker.DockerClient) -> None:
    with pytest.raises(BuildError) as failed:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 7\n"))
    assert "exit code: 7" in str(failed.value)


def test_images(client: docker.DockerClient) -> None:
    image = client.images.get("busybox")
    assert image.tag("again", "2")
    assert "again:2" in client.images.get("busybox").tags
    saved = b"".join(image.save(named=True))
    client.images.remove("again:2")
    assert [loaded.id for loaded in client.images.load(saved)] == [image.id]


def test_events(client: docker.DockerClient) -> None:
    events = client.events(decode=True, filters={"event": "start"})
    container = client.containers.run("busybox", ["true"], detach=True)
    assert next(events)["id"] == container.id
    events.close()


def test_volumes(client: docker.DockerClient) -> None:
    volume = client.volumes.create("cargo", labels={"a": "1"})
    client.containers.run("busybox", ["touch", "/d/x"], volumes={"cargo": {"bind": "/d"}}, remove=True)
    assert [each.name for each in client.volumes.list(filters={"label": "a=1"})] == ["cargo"]
    volume.remove()
