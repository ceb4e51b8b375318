# SPDX-License-Identifier: Apache-2.0
"""Pulls that a policy judges: from a registry that lies, forges, swaps and overwhelms."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web

from image_archives import make_config, make_tar
from kernel.registry_scene import RegistryScene, run
from sampan.engine.trusting import Trust
from sampan.image.pulling import Puller
from sampan.metadata.verifications import VerificationTable
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.index import encode_index
from sampan.oci.manifest import encode_manifest
from sampan.oci.platform import parse_platform
from sampan.oci.reference import Reference
from sampan.registry.trust.bundle import encode_bundle, encode_bundle_referrer
from sampan.registry.trust.documents import (
    ARTIFACT_TYPE,
    MAX_SIGNATURES,
    SIMPLE_SIGNING,
    Encoded,
    SignatureDocument,
    describe_signature,
    encode_document,
    encode_referrer,
)
from sampan.registry.trust.guard import Guard
from sampan.registry.trust.identity import Identity
from sampan.registry.trust.judgement import Refused
from sampan.registry.trust.patterns import parse_pattern
from sampan.registry.trust.payload import Payload
from sampan.registry.trust.policy import Policy, Publisher, Rule, Signed
from sampan.registry.trust.private_keys import PrivateKey, generate_key
from sampan.registry.trust.signature import SIGNATURE_ANNOTATION, Signature
from sampan.registry.trust.signing import SigningOrder, make_signature, make_statement, sign_image
from sampan.registry.trust.storage import signature_tag
from scripted_registry import ScriptedRegistry, digest_of

ADA, EVE, BOB = generate_key(), generate_key(), generate_key()
IS_ADAS = Signed((Publisher("Ada", (ADA.public,)),))
IS_BOBS = Signed((Publisher("Bob", (BOB.public,)),))


class TrustingScene(RegistryScene):
    """A scene whose pulls need signatures."""

    def __init__(self, root: Path, *signatures: Signed) -> None:
        super().__init__(root)
        rule = Rule("signature", parse_pattern("127.0.0.1:*"), signatures or (IS_ADAS,), place="here")
        self.table = VerificationTable(self.database)
        self.guard = Guard(Policy((rule,)), self.table, self.registries)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.puller = Puller(self.store, self.registries, self.guard)
        return self


@asynccontextmanager
async def opened(root: Path, *signatures: Signed) -> AsyncIterator[tuple[ScriptedRegistry, TrustingScene]]:
    async with ScriptedRegistry() as registry, TrustingScene(root, *signatures) as scene:
        yield registry, scene


def layer(text: str = "content") -> bytes:
    return make_tar([("file", text.encode())])


def subject_of(registry: ScriptedRegistry, tag: str = "1") -> Descriptor:
    kind, raw = registry.manifests[tag]
    return Descriptor.of(raw, kind)


async def sign(scene: TrustingScene, reference: Reference, key: PrivateKey = ADA, **options: object) -> None:
    repository = scene.registries.open(reference, push=True)[-1]
    await sign_image(repository, reference, SigningOrder(key=key, **options))  # type: ignore[arg-type]


def place(
    registry: ScriptedRegistry, subject: Digest, *layers: Descriptor, payloads: tuple[bytes, ...] = ()
) -> None:
    """Put a signature manifest at the tag, whatever it says."""
    encoded = encode_document(SignatureDocument(layers))
    for data in (encoded.config, *payloads):
        registry.blobs[str(Digest.of(data))] = data
    registry.add_manifest(signature_tag(subject), encoded.raw)


async def assert_refused(scene: TrustingScene, registry: ScriptedRegistry, words: str) -> None:
    layers = [layer["digest"] for layer in _layers(registry)]
    with pytest.raises(Refused) as caught:
        await scene.pull(registry.reference())
    assert words in caught.value.message, caught.value.message
    assert 'refused by trust rule "127.0.0.1:*" (here)' in caught.value.message
    assert scene.is_empty()
    assert not any(registry.seen("GET", digest) for digest in layers), "no layer was asked for"


def _layers(registry: ScriptedRegistry) -> list[dict[str, str]]:
    from json import loads

    found: list[dict[str, str]] = loads(registry.manifests["1"][1]).get("layers", [])
    return found


def test_a_signed_image_is_pulled_and_what_was_verified_is_remembered(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            registry.add_image("1", [layer()])
            await assert_refused(scene, registry, "no signature by Ada on sha256:")
            await sign(scene, registry.reference(), annotations={"a": "b"})
            pulled = await scene.pull(registry.reference())
            name = registry.reference().name
            (known,) = scene.table.of(str(pulled.image.id), name)
            assert (known.key, known.digest, known.reference) == (
                ADA.public.fingerprint,
                str(pulled.digest),
                name,
            )
            scene.store.remove(str(registry.reference()))
            assert scene.table.of(str(pulled.image.id), name) == []

    run(work)


Forgery = Callable[[Digest, str], Signature]

FORGERIES: dict[str, tuple[Forgery, str]] = {
    "of a stranger": (lambda image, name: make_signature(EVE, Payload(image, name)), "is not by Ada"),
    "of another image": (
        lambda _, name: make_signature(ADA, Payload(Digest.of(b"other"), name)),
        f"a signature by Ada is of another image, {Digest.of(b'other')}",
    ),
    "for another name": (
        lambda image, _: make_signature(ADA, Payload(image, "evil.test/app")),
        "a signature by Ada is for another name, evil.test/app",
    ),
    "of what was changed": (
        lambda image, name: replace(
            make_signature(ADA, Payload(Digest.of(b"other"), name)),
            payload=make_signature(ADA, Payload(image, name)).payload,
        ),
        "is not by Ada",
    ),
    "of something else": (
        lambda image, name: _signed(b'{"critical":{},"optional":{}}'),
        "critical must have exactly",
    ),
    "of no document": (lambda image, name: _signed(b"\xff"), "not valid JSON"),
    "that is none": (
        lambda image, name: Signature(b"payload", {SIGNATURE_ANNOTATION: "%"}),
        "is not by Ada",
    ),
}


def _signed(payload: bytes) -> Signature:
    return Signature(payload, {SIGNATURE_ANNOTATION: base64.b64encode(ADA.sign(payload)).decode()})


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_signature_counts_for_nothing(tmp_path: Path, kind: str) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            registry.add_image("1", [layer()])
            subject = subject_of(registry).digest
            forge, words = FORGERIES[kind]
            forged = forge(subject, registry.reference().name)
            place(registry, subject, describe_signature(forged), payloads=(forged.payload,))
            await assert_refused(scene, registry, words)
            good = make_signature(ADA, Payload(subject, registry.reference().name))
            layers = describe_signature(forged), describe_signature(good)
            place(registry, subject, *layers, payloads=(forged.payload, good.payload))
            await scene.pull(registry.reference())  # one bad signature does not spoil a good one

    run(work)


def test_the_image_that_was_verified_is_the_one_that_comes(tmp_path: Path) -> None:
    """The tag is moved as soon as it has been read."""

    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            registry.add_image("1", [layer("good")])
            await sign(scene, registry.reference())
            good = subject_of(registry).digest
            registry.add_image("2", [layer("evil")])
            registry.requests.clear()

            async def swap(request: web.Request, count: int) -> None:
                if request.method == "GET" and not request.path.endswith("/manifests/1") and count == 0:
                    registry.manifests["1"] = registry.manifests["2"]

            registry.fault = swap
            pulled = await scene.pull(registry.reference())
            assert pulled.digest == good
            assert (scene.layer(pulled.image.chain_id) / "file").read_text() == "good"
            with pytest.raises(Refused):
                await scene.pull(registry.reference())
            assert str(scene.store.resolve(str(registry.reference())).id) == str(pulled.image.id)

    run(work)


@pytest.mark.parametrize("signed", ["index", "manifest"])
def test_a_signature_of_the_index_or_of_the_chosen_image_will_do(tmp_path: Path, signed: str) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            raw = registry.add_image("one", [layer()])
            index = encode_index([Descriptor.of(raw, media_type.OCI_MANIFEST)])
            registry.add_manifest("1", index, media_type.OCI_INDEX)
            await assert_refused(scene, registry, "no signature by Ada")
            subject = Digest.of(index if signed == "index" else raw)
            await sign(scene, registry.reference().with_digest(subject))
            pulled = await scene.pull(registry.reference())
            assert pulled.digest == Digest.of(index)
            (known,) = scene.table.of(str(pulled.image.id), registry.reference().name)
            assert known.digest == str(subject)

    run(work)


def test_signing_recursively_signs_what_an_index_lists(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            raws = [registry.add_image(tag, [layer(tag)]) for tag in ("a", "b")]
            index = encode_index([Descriptor.of(raw, media_type.OCI_MANIFEST) for raw in raws])
            registry.add_manifest("1", index, media_type.OCI_INDEX)
            await sign(scene, registry.reference(), recursive=True)
            for digest in (Digest.of(index), *map(Digest.of, raws)):
                assert signature_tag(digest) in registry.manifests

    run(work)


def test_everybody_whom_the_rule_names_apart_has_to_sign(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, IS_ADAS, IS_BOBS) as (registry, scene):
            registry.add_image("1", [layer()])
            await sign(scene, registry.reference())
            await assert_refused(scene, registry, "no signature by Bob on sha256:")
            await sign(scene, registry.reference(), BOB)
            pulled = await scene.pull(registry.reference())
            known = scene.table.of(str(pulled.image.id), registry.reference().name)
            assert {one.key for one in known} == {ADA.public.fingerprint, BOB.public.fingerprint}

    run(work)


def test_a_referrer_alone_will_do_but_only_of_this_image(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            registry.add_image("1", [layer()])
            subject = subject_of(registry)
            good = make_signature(ADA, Payload(subject.digest, registry.reference().name))
            document = SignatureDocument((describe_signature(good),))
            other = Descriptor.of(b"other", media_type.OCI_MANIFEST)
            for about in (other, subject):
                encoded = encode_referrer(document, about)
                registry.add_manifest("referrer", encoded.raw)
                registry.blobs |= {str(Digest.of(data)): data for data in (encoded.config, good.payload)}
                tag = str(subject.digest).replace(":", "-")
                registry.add_manifest(tag, encode_index([encoded.descriptor]), media_type.OCI_INDEX)
                assert encoded.descriptor.artifact_type == ARTIFACT_TYPE
                if about is other:
                    await assert_refused(scene, registry, "no signature by Ada")
            await scene.pull(registry.reference())

    run(work)


NAMELESS = replace(IS_ADAS, identity=Identity(nameless=True))


@pytest.mark.parametrize(("demand", "key"), [(IS_ADAS, ADA), (NAMELESS, EVE)], ids=["strict", "stranger"])
def test_a_bundle_counts_where_signatures_may_say_no_name(
    tmp_path: Path, demand: Signed, key: PrivateKey
) -> None:
    """The first demand wants a name, and the second one another key; what meets it is beside them in the end."""

    async def work() -> None:
        async with opened(tmp_path, demand) as (registry, scene):
            registry.add_image("1", [layer()])
            await sign(scene, registry.reference(), key, bundle=True)
            words = "says no name" if key is ADA else "is not by Ada"
            await assert_refused(scene, registry, words)
            await sign(scene, registry.reference(), bundle=demand is NAMELESS)
            pulled = await scene.pull(registry.reference())
            (known,) = scene.table.of(str(pulled.image.id), registry.reference().name)
            assert known.reference == ("" if demand is NAMELESS else registry.reference().name)

    run(work)


def test_a_bundle_of_another_image_counts_for_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, NAMELESS) as (registry, scene):
            registry.add_image("1", [layer()])
            subject = subject_of(registry)
            for image in (Digest.of(b"other"), subject.digest):
                bundle = encode_bundle(make_statement(ADA, Payload(image, "")), "")
                if image != subject.digest:
                    for rubbish in (b"{}", b" " * (1 << 20)):
                        await _refer(registry, subject, encode_bundle_referrer(rubbish, subject), rubbish)
                        await assert_refused(scene, registry, "bundle" if rubbish == b"{}" else "limit of")
                await _refer(registry, subject, encode_bundle_referrer(bundle, subject), bundle)
                if image != subject.digest:
                    await assert_refused(scene, registry, f"is of another image, {image}")
            await scene.pull(registry.reference())

    run(work)


async def _refer(registry: ScriptedRegistry, subject: Descriptor, encoded: Encoded, bundle: bytes) -> None:
    """Put a referrer there as go-containerregistry does: the list is vague about its type."""
    registry.add_manifest("referrer", encoded.raw)
    registry.blobs |= {str(Digest.of(data)): data for data in (encoded.config, bundle)}
    vague = replace(encoded.descriptor, artifact_type=media_type.OCI_EMPTY, annotations={})
    tag = str(subject.digest).replace(":", "-")
    registry.add_manifest(tag, encode_index([vague]), media_type.OCI_INDEX)


def test_a_registry_cannot_overwhelm_who_looks_for_signatures(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            registry.add_image("1", [layer()])
            subject = subject_of(registry).digest
            rubbish = Signature(b"x", {SIGNATURE_ANNOTATION: "AAAA"})
            many = [describe_signature(rubbish)] * (MAX_SIGNATURES + 1)
            place(registry, subject, *many)
            await assert_refused(scene, registry, f"more than the limit of {MAX_SIGNATURES}")
            huge = Descriptor(
                SIMPLE_SIGNING, Digest.of(b"x"), 1 << 40, annotations={SIGNATURE_ANNOTATION: "AAAA"}
            )
            place(registry, subject, huge)
            await assert_refused(scene, registry, "no signature by Ada")
            assert not registry.seen("GET", str(huge.digest)), "what is too large is not asked for"
            lying = replace(describe_signature(rubbish), size=5)
            place(registry, subject, lying, payloads=(b"x",))
            await assert_refused(scene, registry, "and no more")
            registry.add_manifest(signature_tag(subject), b" " * (5 << 20))
            await assert_refused(scene, registry, "more than the limit of 4194304")
            tag = str(subject).replace(":", "-")
            entries = [
                Descriptor(media_type.OCI_MANIFEST, Digest.of(b"%d" % n), 1, artifact_type=ARTIFACT_TYPE)
                for n in range(5000)
            ]
            registry.add_manifest(tag, encode_index(entries), media_type.OCI_INDEX)
            registry.requests.clear()
            await assert_refused(scene, registry, "no signature by Ada")
            assert len(registry.requests) < 120

    run(work)


def test_a_registry_that_fails_gives_no_signature(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            registry.add_image("1", [layer()])
            await sign(scene, registry.reference())

            async def fail(request: web.Request, count: int) -> web.StreamResponse | None:
                is_about_signatures = (
                    ".sig" in request.path or "referrers" in request.path or "sha256-" in request.path
                )
                return web.Response(status=500) if is_about_signatures else None

            registry.fault = fail
            await assert_refused(scene, registry, "received unexpected HTTP status: 500")

    run(work)


def test_two_signers_at_once_both_find_their_signature(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, IS_ADAS, IS_BOBS) as (registry, scene):
            registry.add_image("1", [layer()])
            subject = subject_of(registry).digest
            others = make_signature(BOB, Payload(subject, registry.reference().name))

            async def intervene(request: web.Request, count: int) -> None:
                if request.method == "PUT" and request.path.endswith(".sig") and count == 0:
                    await request.read()
                    registry.fault = overwrite

            async def overwrite(request: web.Request, count: int) -> None:
                registry.fault = None
                place(registry, subject, describe_signature(others), payloads=(others.payload,))

            registry.fault = intervene
            await sign(scene, registry.reference())
            await scene.pull(registry.reference())

    run(work)


def test_a_registry_with_a_list_of_referrers_keeps_it_itself(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            registry.add_image("1", [layer()])
            subject = subject_of(registry).digest

            async def distribution_1_1(request: web.Request, _: int) -> web.StreamResponse | None:
                if request.method == "PUT" and "/manifests/sha256:" in request.path:
                    registry.add_manifest(request.path.rpartition("/")[2], await request.read())
                    return web.Response(status=201, headers={"OCI-Subject": str(subject)})
                if f"/referrers/{subject}" not in request.path:
                    return None
                assert request.query["artifactType"] == ARTIFACT_TYPE
                about = {raw for _, raw in registry.manifests.values() if b'"subject":' in raw}
                described = (Descriptor.of(raw, media_type.OCI_MANIFEST) for raw in about)
                found = [replace(one, artifact_type=ARTIFACT_TYPE) for one in described]
                return web.Response(body=encode_index(found), content_type=media_type.OCI_INDEX)

            registry.fault = distribution_1_1
            await sign(scene, registry.reference())
            assert str(subject).replace(":", "-") not in registry.manifests, "no list by tag beside it"
            del registry.manifests[signature_tag(subject)]
            await scene.pull(registry.reference())

    run(work)


def add_for(registry: ScriptedRegistry, architecture: str) -> Descriptor:
    """An image for one architecture; what an index says of it."""
    tar = layer(architecture)
    config = make_config([tar]).replace(b'"amd64"', f'"{architecture}"'.encode())
    registry.blobs |= {digest_of(data): data for data in (config, tar)}
    blobs = Descriptor.of(config, media_type.OCI_CONFIG), [Descriptor.of(tar, media_type.OCI_LAYER)]
    raw = registry.add_manifest(architecture, encode_manifest(*blobs))
    return replace(
        Descriptor.of(raw, media_type.OCI_MANIFEST), platform=parse_platform(f"linux/{architecture}")
    )


def test_each_platform_of_a_signed_index_may_be_used(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as (registry, scene):
            index = encode_index([add_for(registry, name) for name in ("amd64", "arm64")])
            registry.add_manifest("1", index, media_type.OCI_INDEX)
            await sign(scene, registry.reference())
            name, trust = str(registry.reference()), Trust(scene.guard)
            for architecture in ("amd64", "arm64"):
                platform = parse_platform(f"linux/{architecture}")
                await scene.puller.pull(registry.reference(), platform=platform)
            for architecture in ("amd64", "arm64"):
                image = scene.store.resolve(name, parse_platform(f"linux/{architecture}"))
                assert image.config.platform.architecture == architecture
                trust.admit(image, name)
                trust.admit(image, str(image.id))

    run(work)
