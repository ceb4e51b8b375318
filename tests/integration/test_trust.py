# SPDX-License-Identifier: Apache-2.0
"""Signatures and the policy that demands them, against Debian's docker-registry, with skopeo on both sides."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import SAMPAN
from integration.newer_skopeo import newer_skopeo
from integration.registry_process import PASSWORD, USER, running_registry
from integration.terminal import Terminal
from integration.trust_scene import PASSPHRASE, TrustScene, digest_of, trust_scene
from sampan.oci.reference import Reference
from sampan.registry.repository import Registries
from sampan.registry.trust.private_keys import decode_private_key
from sampan.registry.trust.publishing import SignatureWriter
from sampan.registry.trust.signature import SIGNATURE_ANNOTATION, Signature

UNSIGNED = "no signature by Ada's team on sha256:"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrustScene]:
    with trust_scene(tmp_path_factory.mktemp("trust")) as running:
        yield running


def test_a_key_pair_is_for_its_owner_and_never_written_over(scene: TrustScene) -> None:
    private = scene.folder / "ada.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    said = scene.refused("trust", "key", "generate", "--dir", str(scene.folder), "ada")
    assert "ada.key exists already" in said


def test_a_passphrase_is_asked_for_twice_and_not_shown(scene: TrustScene, tmp_path: Path) -> None:
    environment = {k: v for k, v in scene.engine.environment.items() if k != "SAMPAN_TRUST_PASSPHRASE"}
    argv = [*SAMPAN, "trust", "key", "generate", "--dir", str(tmp_path), "typed"]
    without = subprocess.run(argv, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "cannot ask for the passphrase" in without.stderr
    for second, code in (("other", 1), ("secret", 0)):
        opened = Terminal(argv, environment)
        try:
            opened.expect("Passphrase of the private key: ")
            opened.type("secret\n")
            opened.expect("Again: ")
            opened.type(f"{second}\n")
            assert opened.wait() == code
            assert b"secret" not in opened.seen
        finally:
            opened.close()
    assert decode_private_key((tmp_path / "typed.key").read_bytes(), b"secret")


def test_what_is_signed_can_be_verified_looked_at_and_revoked(scene: TrustScene) -> None:
    pinned = scene.push("signed:1")
    name = scene.name("signed:1")
    signing = ("trust", "sign", "--key", str(scene.folder / "ada.key"), "-a", "built-by=ci", name)
    assert scene.engine.out(*signing).startswith(f"Signed {pinned} with key sha256:")
    ada, eve = str(scene.folder / "ada.pub"), str(scene.folder / "eve.pub")
    verified = scene.engine.out("trust", "verify", "--key", ada, "-a", "built-by=ci", name)
    assert verified.startswith(f"Verified {pinned}\n  signed by {ada} (sha256:")
    shown = scene.engine.out("trust", "inspect", name)
    assert "signed by Ada's team" in shown
    assert f"for {name.removesuffix(':1')}" in shown
    assert "built-by=ci" in shown
    (report,) = json.loads(scene.engine.out("trust", "inspect", "--format", "json", name))
    (one,) = report["signatures"]
    assert json.loads(one["payload"])["critical"]["image"]["docker-manifest-digest"] == report["digest"]
    assert "is not by" in scene.refused("trust", "verify", "--key", eve, name)
    assert "annotations" in scene.refused("trust", "verify", "--key", ada, "-a", "built-by=hand", name)
    assert scene.engine.out(*signing).startswith(f"Already signed {pinned} ")
    scene.sign(name, "eve")
    assert "Removed 1 signature of" in scene.engine.out("trust", "revoke", "-y", "--key", eve, name)
    assert "signed by Ada's team" in scene.engine.out("trust", "inspect", "--key", eve, name)
    scene.engine.sampan("pull", "-a", name.removesuffix(":1"))  # whose other tags are signatures
    scene.engine.sampan("rmi", name)
    assert "Removed 1 signature of" in scene.engine.out("trust", "revoke", "-y", name)
    assert "no signatures" in scene.engine.out("trust", "inspect", name)


def test_openssl_agrees_about_what_lies_on_the_registry(scene: TrustScene, tmp_path: Path) -> None:
    """The form that cosign documents, read with other people's tools: by tag, and as a referrer."""
    digest = digest_of(scene.push("plain/openssl:1"))
    name = scene.name("plain/openssl:1")
    scene.sign(name)
    tag = f"{digest.algorithm}-{digest.hex}.sig"
    assert scene.skopeo_copy(f"docker://{scene.name(f'plain/openssl:{tag}')}", f"dir:{tmp_path}/sig") == ""
    manifest = json.loads((tmp_path / "sig/manifest.json").read_text())
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
    payload = tmp_path / "sig" / layer["digest"].partition(":")[2]
    assert json.loads(payload.read_bytes()) == {
        "critical": {
            "identity": {"docker-reference": name.removesuffix(":1")},
            "image": {"docker-manifest-digest": str(digest)},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    config = json.loads((tmp_path / "sig" / manifest["config"]["digest"].partition(":")[2]).read_bytes())
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    signature = tmp_path / "signature"
    signature.write_bytes(base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]))
    key = str(scene.folder / "ada.pub")
    argv = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", str(signature), str(payload)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "Verified OK\n"
    listed = scene.inspect_raw(f"plain/openssl:{digest.algorithm}-{digest.hex}")
    (described,) = listed["manifests"]
    assert described["artifactType"] == "application/vnd.dev.cosign.artifact.sig.v1+json"
    referrer = scene.inspect_raw(f"plain/openssl@{described['digest']}")
    assert referrer["subject"]["digest"] == str(digest)
    assert referrer["config"]["mediaType"] == referrer["artifactType"] == described["artifactType"]
    assert referrer["layers"] == manifest["layers"]


def test_a_signature_that_openssl_made_is_verified(scene: TrustScene, tmp_path: Path) -> None:
    """What cosign's documentation has people do with a key of OpenSSL's: sign a payload, attach it."""
    digest = digest_of(scene.push("team/openssl:1"))
    name = scene.name("team/openssl:1")
    payload = tmp_path / "payload"
    words = ["--key", str(scene.folder / "eve.key"), "--upload=false", "--output-payload", str(payload)]
    scene.engine.sampan("trust", "sign", *words, name)
    assert str(digest) in payload.read_text()
    plain = tmp_path / "plain.key"
    plain.write_bytes(
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            capture_output=True,
            check=True,
        ).stdout
    )
    argv = ["openssl", "dgst", "-sha256", "-sign", str(plain), str(payload)]
    made = subprocess.run(argv, capture_output=True, check=True).stdout
    signature = Signature(payload.read_bytes(), {SIGNATURE_ANNOTATION: base64.b64encode(made).decode()})

    async def attach(registries: Registries, reference: Reference) -> None:
        repository = registries.open(reference, push=True)[-1]
        fetched = await repository.manifest(str(reference.tag))
        await SignatureWriter(repository).add(fetched.descriptor, signature)

    scene.on_registry(name, attach)
    scene.engine.sampan("trust", "key", "load", "--dir", str(tmp_path), "--name", "taken", str(plain))
    said = scene.engine.out("trust", "verify", "--key", str(tmp_path / "taken.pub"), name)
    assert f"signed by {tmp_path}/taken.pub (sha256:" in said
    assert "is not by Ada's team" in scene.refused("pull", name)


def test_the_commands_go_by_the_users_log_ins(scene: TrustScene, tmp_path: Path) -> None:
    with running_registry(tmp_path / "guarded", password=True) as guarded:
        name = f"{guarded.host}/app:1"
        signing = ("trust", "sign", "--key", str(scene.folder / "ada.key"), name)
        assert "no basic auth credentials" in scene.refused(*signing)
        scene.engine.sampan("login", "-u", USER, "--password-stdin", guarded.host, input=f"{PASSWORD}\n")
        scene.engine.sampan("tag", "busybox", name)
        scene.engine.sampan("push", name)
        scene.engine.sampan("rmi", name)
        scene.engine.sampan(*signing)
        scene.engine.sampan("trust", "verify", "--key", str(scene.folder / "ada.pub"), name)


@pytest.fixture(scope="module")
def skopeo(scene: TrustScene) -> TrustScene:
    """The scene, with a skopeo that knows sigstore."""
    scene.skopeo_argv = newer_skopeo()
    return scene


def test_skopeo_verifies_what_we_sign(skopeo: TrustScene, tmp_path: Path) -> None:
    scene = skopeo
    scene.push("ours:1")
    name = scene.name("ours:1")
    here = f"docker://{name}"
    policy = policy_json(scene, "ada", {"type": "matchRepository"})
    assert "A signature was required" in scene.skopeo_copy(here, f"dir:{tmp_path}/a", policy=policy)
    scene.sign(name)
    assert scene.skopeo_copy(here, f"dir:{tmp_path}/b", policy=policy) == ""
    assert scene.skopeo_copy(
        here, f"dir:{tmp_path}/c", policy=policy_json(scene, "eve", {"type": "matchRepository"})
    )
    exact = policy_json(scene, "ada", None)
    assert scene.skopeo_copy(here, f"dir:{tmp_path}/d", policy=exact), "without a tag in the signature"
    scene.sign(name, identity=name)
    assert scene.skopeo_copy(here, f"dir:{tmp_path}/e", policy=exact) == ""


def test_we_verify_what_skopeo_signs_with_our_key(skopeo: TrustScene) -> None:
    scene = skopeo
    scene.push("plain:1")
    (scene.folder / "passphrase").write_text(PASSPHRASE)
    signing = (
        "--sign-by-sigstore-private-key",
        str(scene.folder / "ada.key"),
        "--sign-passphrase-file",
        str(scene.folder / "passphrase"),
    )
    plain, name = scene.name("plain:1"), scene.name("team/skopeo:1")
    assert scene.skopeo_copy(f"docker://{plain}", f"docker://{name}", *signing) == ""
    scene.engine.sampan("trust", "verify", name)
    scene.engine.sampan("pull", name)
    assert scene.engine.out("run", "--rm", name, "echo", "trusted") == "trusted"
    scene.engine.sampan("rmi", name)
    scene.sign(name)
    ada = str(scene.folder / "ada.pub")
    listed = json.loads(scene.engine.out("trust", "verify", "--key", ada, "--format", "json", name))
    assert {one["reference"] for one in listed} == {name, name.removesuffix(":1")}
    prefix = str(scene.folder / "theirs")
    words = (
        "generate-sigstore-key",
        "--output-prefix",
        prefix,
        "--passphrase-file",
        str(scene.folder / "passphrase"),
    )
    assert scene.skopeo(*words).returncode == 0
    os.rename(f"{prefix}.private", f"{prefix}.key")
    scene.sign(name, key="theirs")
    assert f"signed by {prefix}.pub" in scene.engine.out("trust", "verify", "--key", f"{prefix}.pub", name)
    again = scene.name("team/skopeo:2")
    assert scene.skopeo_copy(f"docker://{name}", f"docker://{again}", *signing) == ""
    listed = json.loads(scene.engine.out("trust", "verify", "--key", ada, "--format", "json", again))
    assert len(listed) == 3, "skopeo adds to what is there"


def test_an_unsigned_image_is_not_pulled_and_leaves_nothing(scene: TrustScene) -> None:
    pinned = scene.push("team/app:1")
    name = scene.name("team/app:1")
    blobs = sorted(one.name for one in (scene.engine.data / "content").rglob("*") if one.is_file())
    rule = scene.rule("team")
    for client in (scene.engine.sampan, scene.engine.docker):
        for asked in (name, pinned):
            said = client("pull", asked, check=False).stderr
            assert rule in said, said
            assert UNSIGNED in said
            assert client("run", "--rm", asked, "true", check=False).returncode == 125
    assert scene.engine.out("images", "-q", name) == ""
    assert sorted(one.name for one in (scene.engine.data / "content").rglob("*") if one.is_file()) == blobs
    scene.sign(name, key="eve")
    assert "is not by Ada's team" in scene.refused("pull", name)
    scene.sign(name)
    assert "is signed by Ada's team" in scene.engine.docker("pull", name).stdout
    assert scene.engine.docker("run", "--rm", name, "echo", "trusted").stdout == "trusted\n"
    scene.engine.sampan("rmi", name)


def test_a_name_may_be_refused_or_need_a_digest(scene: TrustScene) -> None:
    pinned = scene.push("pinned/app:1")
    bad = scene.push("bad/app:1")
    assert "nothing of that name may be used" in scene.refused("pull", bad)
    said = scene.refused("pull", scene.name("pinned/app:1"))
    assert "it must be named by its digest" in said
    scene.engine.sampan("pull", pinned)
    assert scene.engine.out("run", "--rm", pinned, "echo", "pinned") == "pinned"
    image = scene.engine.out("image", "inspect", "-f", "{{.Id}}", pinned)
    scene.engine.sampan("tag", image, scene.name("pinned/app:1"))
    assert "it must be named by its digest" in scene.refused(
        "run", "--rm", scene.name("pinned/app:1"), "true"
    )
    assert scene.engine.out("run", "--rm", image, "echo", "by id") == "by id"
    scene.engine.sampan("rmi", "-f", image)


def test_what_was_made_here_needs_leave_where_signatures_are_demanded(scene: TrustScene) -> None:
    name, local = scene.name("team/made:1"), scene.name("team/local/made:1")
    for one in (name, local):
        scene.engine.sampan("tag", "busybox", one)
    said = scene.refused("run", "--rm", name, "true")
    assert "it was made or loaded here, and no registry vouches for it" in said
    assert 'local = "allow"' in said
    archive = str(scene.folder / "made.tar")
    scene.engine.sampan("save", "-o", archive, name)
    scene.engine.sampan("rmi", name)
    scene.engine.sampan("load", "-i", archive)
    assert "no registry vouches for it" in scene.refused("run", "--rm", name, "true"), (
        "whatever an archive claims"
    )
    assert scene.engine.out("run", "--rm", local, "echo", "mine") == "mine"
    assert scene.engine.out("run", "--rm", "busybox", "echo", "mine") == "mine"
    scene.engine.sampan("rmi", name, local)


def test_from_obeys_the_policy(scene: TrustScene, tmp_path: Path) -> None:
    scene.push("team/base:1")
    base = scene.name("team/base:1")
    builds = {
        "from": f"FROM {base}\n",
        "copy": f"FROM busybox\nCOPY --from={base} /bin/busybox /copied\n",
        "mount": f"FROM busybox\nRUN --mount=type=bind,from={base},target=/m true\n",
    }
    for kind, text in builds.items():
        (tmp_path / kind).write_text(text)

    def refusals() -> None:
        for kind in builds:
            said = scene.refused("build", "-f", str(tmp_path / kind), str(tmp_path))
            assert f"{base}: refused by trust rule" in said, (kind, said)

    refusals()
    scene.engine.sampan("tag", "busybox", base)
    refusals()
    scene.engine.sampan("rmi", base)
    scene.sign(base)
    for kind in builds:
        scene.engine.sampan("build", "-q", "-f", str(tmp_path / kind), str(tmp_path))
    scene.engine.sampan("rmi", base, check=False)


def test_an_image_from_before_the_policy_is_verified_when_it_is_used(scene: TrustScene) -> None:
    scene.push("later/app:1")
    name = scene.name("later/app:1")
    scene.engine.sampan("pull", name)
    assert scene.engine.out("run", "--rm", name, "echo", "free") == "free"
    text = scene.config.read_text()
    rule = f'\n[[trust.rule]]\nmatch = "{scene.name("later")}"\ndemand = "signature"\npublishers = ["Ada\'s team"]\n'
    scene.config.write_text(text + rule)
    scene.engine.stop()
    scene.engine.start()
    assert UNSIGNED in scene.refused("run", "--rm", name, "true")
    image = scene.engine.out("images", "-q", "--no-trunc", name)
    assert UNSIGNED in scene.refused("run", "--rm", image, "true"), "by its id, too"
    scene.sign(name)
    assert scene.engine.out("run", "--rm", name, "echo", "trusted") == "trusted"
    scene.engine.sampan("trust", "revoke", "-y", name)
    assert scene.engine.out("run", "--rm", image, "echo", "remembered") == "remembered"
    scene.engine.sampan("rmi", name)
    scene.restart()


def test_a_mirror_may_bring_the_image_but_not_the_trust(scene: TrustScene) -> None:
    scene.push("team/mirrored:1", content="true")
    name = scene.name("team/mirrored:1")
    scene.sign(name)
    scene.push("mirror:1", content="false")
    said = scene.refused("pull", name)
    assert UNSIGNED in said, "the mirror has another image by that tag"
    assert (
        scene.skopeo_copy(f"docker://{name}", f"docker://{scene.name('mirror:1')}", "--remove-signatures")
        == ""
    )
    scene.engine.sampan("pull", name)
    scene.engine.sampan("rmi", name)


def policy_json(scene: TrustScene, key: str, identity: dict[str, str] | None) -> dict[str, object]:
    """containers-policy.json(5) that wants signatures by this key."""
    signed = {"type": "sigstoreSigned", "keyPath": str(scene.folder / f"{key}.pub")}
    requirement = signed | ({"signedIdentity": identity} if identity else {})
    return {"default": [{"type": "reject"}], "transports": {"docker": {scene.registry.host: [requirement]}}}


def test_the_policy_of_containers_is_obeyed_too(scene: TrustScene) -> None:
    scene.push("theirs/app:1")
    name = scene.name("theirs/app:1")
    policy = policy_json(scene, "ada", {"type": "matchRepository"})
    (scene.folder / "theirs.json").write_text(json.dumps(policy))
    scene.restart(policy_json="theirs.json", local="allow")
    assert f'refused by trust rule "{scene.registry.host}" ({scene.folder}/theirs.json)' in scene.refused(
        "pull", name
    )
    scene.sign(name)
    scene.engine.sampan("pull", name)
    assert scene.engine.out("run", "--rm", "busybox", "echo", "mine") == "mine"
    assert "the default trust rule" in scene.refused("pull", "unknown.invalid/app")
    scene.engine.sampan("rmi", name)
    scene.restart()
