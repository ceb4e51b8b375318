# SPDX-License-Identifier: Apache-2.0
"""Keys, a policy and an engine that obeys it, a registry with images, and skopeo as somebody who signs and checks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from integration.engine_process import EngineProcess, import_busybox
from integration.registry_process import RegistryProcess, running_registry
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.manifest import decode_manifest, encode_manifest
from sampan.oci.media_type import OCI_MANIFEST
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.repository import Registries, Repository
from sampan.registry.trust.private_keys import decode_private_key
from sampan.registry.trust.signing import SigningOrder, sign_image

PASSPHRASE = "open sesame"

CONFIGURATION = """\
[trust]
{trust}

[[trust.publisher]]
name = "Ada's team"
keys = ["ada.pub"]

[[trust.rule]]
match = "{host}/team"
demand = "signature"
publishers = ["Ada's team"]

[[trust.rule]]
match = "{host}/team/local"
demand = "signature"
publishers = ["Ada's team"]
local = "allow"

[[trust.rule]]
match = "{host}/pinned"
demand = "digest"

[[trust.rule]]
match = "{host}/bad"
demand = "reject"

[[registry]]
prefix = "{host}/team/mirrored"

[[registry.mirror]]
location = "{host}/mirror"
"""

T = TypeVar("T")


@dataclass
class TrustScene:
    """`config` is the engine's configuration file; keys lie beside it."""

    engine: EngineProcess
    registry: RegistryProcess
    config: Path
    skopeo_argv: list[str] = field(default_factory=lambda: ["skopeo"])

    @property
    def folder(self) -> Path:
        return self.config.parent

    def name(self, path: str) -> str:
        return f"{self.registry.host}/{path}"

    def rule(self, path: str) -> str:
        """How a refusal names the rule for this path."""
        match = f'match = "{self.name(path)}"'
        line = (
            self.config.read_text().splitlines().index(match)
        )  # counted from 0, so the line above: [[trust.rule]]
        return f'refused by trust rule "{self.name(path)}" ({self.config}, line {line})'

    def push(self, path: str, *, content: str = "") -> str:
        """A new image under this name on the registry, and nothing of it in the store; the name with its digest."""

        async def put(registries: Registries, reference: Reference) -> Digest:
            base = registries.open(parse_reference(self.name("base:1")))[-1]
            repository = registries.open(reference, push=True)[-1]
            manifest = decode_manifest((await base.manifest("1")).raw)
            config = json.loads(await base.read(manifest.config, 1 << 20))
            config["config"] = config.get("config", {}) | {"Labels": {"is": path, "content": content}}
            described = await _upload(repository, json.dumps(config).encode(), manifest.config.media_type)
            for layer in manifest.layers:
                assert await repository.mount(layer, "base")
            raw = encode_manifest(described, manifest.layers)
            await repository.put_manifest(str(reference.tag), raw, OCI_MANIFEST)
            return Digest.of(raw)

        name = self.name(path)
        return f"{name.rpartition(':')[0]}@{self.on_registry(name, put)}"

    def sign(self, name: str, key: str = "ada", *, identity: str = "") -> None:
        """Sign by our own library; a test of its own does it by the command."""
        private = decode_private_key((self.folder / f"{key}.key").read_bytes(), PASSPHRASE.encode())

        async def work(registries: Registries, reference: Reference) -> object:
            repository = registries.open(reference, push=True)[-1]
            return await sign_image(repository, reference, SigningOrder(private, identity=identity))

        self.on_registry(name, work)

    def refused(self, *words: str) -> str:
        """What our command line says of being refused."""
        done = self.engine.sampan(*words, check=False)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def skopeo(
        self, *words: str, policy: dict[str, object] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """skopeo, which reads and writes signatures by tag here."""
        lookaside = self.folder / "registries.d"
        lookaside.mkdir(exist_ok=True)
        (lookaside / "all.yaml").write_text("default-docker:\n  use-sigstore-attachments: true\n")
        rules = self.folder / "policy.json"
        accepting = {"default": [{"type": "insecureAcceptAnything"}]}
        rules.write_text(json.dumps(policy or accepting))
        argv = [*self.skopeo_argv, "--policy", str(rules), "--registries.d", str(lookaside), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    def skopeo_copy(
        self, source: str, target: str, *options: str, policy: dict[str, object] | None = None
    ) -> str:
        """Copy an image; what is complained of, if it does not go."""
        tls = ["--src-tls-verify=false"] if source.startswith("docker:") else []
        tls += ["--dest-tls-verify=false"] if target.startswith("docker:") else []
        done = self.skopeo("copy", "-q", *tls, *options, source, target, policy=policy)
        return done.stderr if done.returncode else ""

    def inspect_raw(self, path: str) -> dict[str, Any]:
        """A manifest of the registry, as skopeo reads it."""
        found = self.skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{self.name(path)}")
        assert found.returncode == 0, found.stderr
        document: dict[str, Any] = json.loads(found.stdout)
        return document

    def on_registry(self, name: str, work: Callable[[Registries, Reference], Awaitable[T]]) -> T:
        """Do something to the registry with our own client."""

        async def run() -> T:
            registries = Registries()
            try:
                return await work(registries, parse_reference(name))
            finally:
                await registries.close()

        return asyncio.run(run())

    def restart(self, **trust: str) -> None:
        """The engine with other words in the table [trust]."""
        self.engine.stop()
        write_configuration(self.config, self.registry, **trust)
        self.engine.start()


def digest_of(name: str) -> Digest:
    return parse_digest(name.partition("@")[2])


async def _upload(repository: Repository, data: bytes, kind: str) -> Descriptor:
    async def part(start: int, end: int) -> AsyncIterator[bytes]:
        yield data[start:end]

    described = Descriptor.of(data, kind)
    await repository.upload_parts(described, part, lambda _: None)
    return described


def write_configuration(config: Path, registry: RegistryProcess, **trust: str) -> None:
    words = "\n".join(f'{key.replace("_", "-")} = "{value}"' for key, value in trust.items())
    config.write_text(CONFIGURATION.format(host=registry.host, trust=words))


@contextlib.contextmanager
def trust_scene(base: Path) -> Iterator[TrustScene]:
    engine, folder = EngineProcess(base / "engine"), base / "config"
    folder.mkdir(parents=True)
    config = folder / "config.toml"
    engine.environment |= {"SAMPAN_CONFIG": str(config), "SAMPAN_TRUST_PASSPHRASE": PASSPHRASE}
    with running_registry(base / "registry") as registry:
        try:
            for key in ("ada", "eve"):
                engine.sampan("trust", "key", "generate", "--dir", str(folder), key)
            write_configuration(config, registry)
            engine.start()
            import_busybox(engine)
            scene = TrustScene(engine, registry, config)
            engine.sampan("tag", "busybox", scene.name("base:1"))
            engine.sampan("push", scene.name("base:1"))
            engine.sampan("rmi", scene.name("base:1"))
            yield scene
        finally:
            engine.destroy()
