# SPDX-License-Identifier: Apache-2.0
"""Contexts that nobody means well with: never outside of them, never a wait, the right result or a clear error."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from build_place import BuildPlace
from sampan.build.errors import BuildFailed
from sampan.build.explaining import explain_context
from sampan.build.files.contents import Copying, hash_content
from sampan.build.files.copy import Transfer, copy_selection
from sampan.build.files.digests import FileDigests
from sampan.build.files.scan import Filters
from sampan.build.files.select import Selection, SourceChanged, hash_files, select
from sampan.build.files.upper import Upper
from sampan.build.request import BuildRequest
from sampan.cli.build_archive import iter_context
from sampan.cli.build_context import FolderContext
from sampan.errors import NotFound, SampanError
from sampan.image.model import Image
from sampan.linux.tree import remove_tree
from sampan.oci.digest import parse_digest

HUGE = 10 << 30


@pytest.fixture
def place(tmp_path: Path) -> Iterator[BuildPlace]:
    made = BuildPlace(tmp_path)
    yield made
    made.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    return outside


class TestKindsOfFiles:
    def test_a_fifo_is_copied_and_not_read(self, place: BuildPlace) -> None:
        os.mkfifo(place.project / "pipe", 0o640)
        layer = place.layer(place.build("FROM scratch\nCOPY . /"))
        assert stat.S_ISFIFO((layer / "pipe").lstat().st_mode)

    def test_a_socket_is_left_out(self, place: BuildPlace) -> None:
        place.write("a", "a")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(place.project / "sock"))
            assert place.names(place.build("FROM scratch\nCOPY . /")) == ["a"]

    @pytest.mark.parametrize("name", [b"two\nlines", b"bad\xff\xfe", b"\x1b[31mred", b"-rf", b" ", b"*"])
    def test_any_name_is_a_name(self, place: BuildPlace, name: bytes) -> None:
        path = os.path.join(os.fsencode(place.project), name)
        with open(path, "wb") as file:
            file.write(b"content")
        layer = os.fsencode(place.layer(place.build("FROM scratch\nCOPY . /")))
        assert os.listdir(layer) == [name]

    def test_a_tree_may_be_deeper_than_pythons_stack(self, place: BuildPlace) -> None:
        for depth in range(500, 1501, 500):
            os.makedirs(place.project / "/".join(["d"] * depth))
        try:
            layer = place.layer(place.build("FROM scratch\nCOPY . /"))
            assert (layer / "/".join(["d"] * 1500)).is_dir()
        finally:  # what removes old temporary folders has a stack, too
            remove_tree(str(place.project / "d"))
            remove_tree(str(place.root / "snapshots"))


class TestLinks:
    @pytest.mark.parametrize("target", ["{outside}/file", "../outside/file", "loop/../../outside/file"])
    def test_a_source_that_leads_outside_is_not_found(
        self, place: BuildPlace, secret: Path, target: str
    ) -> None:
        (place.project / "loop").symlink_to(".")
        (place.project / "link").symlink_to(target.format(outside=secret))
        with pytest.raises(BuildFailed, match='"/link": not found'):
            place.build("FROM scratch\nCOPY link /")

    def test_in_a_folder_it_is_copied_as_it_is(self, place: BuildPlace, secret: Path) -> None:
        (place.project / "d").mkdir()
        (place.project / "d/link").symlink_to(secret)
        layer = place.layer(place.build("FROM scratch\nCOPY d /d"))
        assert os.readlink(layer / "d/link") == str(secret)

    def test_a_circle_is_an_error(self, place: BuildPlace) -> None:
        (place.project / "a").symlink_to("b")
        (place.project / "b").symlink_to("a")
        with pytest.raises(BuildFailed, match=r"(?i)too many levels of symbolic links"):
            place.build("FROM scratch\nCOPY a /")

    def test_an_ignore_file_outside_is_not_read(self, place: BuildPlace, secret: Path) -> None:
        (secret / "ignore").write_text("*")
        (place.project / ".dockerignore").symlink_to(secret / "ignore")
        place.write("a", "a")
        assert place.names(place.build("FROM scratch\nCOPY a /")) == ["a"]

    def test_a_dockerfile_outside_is_not_read(self, place: BuildPlace, secret: Path) -> None:
        (secret / "file").write_text("FROM scratch\n")
        (place.project / "Dockerfile").symlink_to(secret / "file")
        with pytest.raises(NotFound, match="failed to read dockerfile: open Dockerfile"):
            place.build()


class TestFilesThatSteerTheBuild:
    @pytest.mark.parametrize("kind", ["fifo", "device", "folder", "socket"])
    @pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
    def test_no_other_kind_is_waited_for(self, place: BuildPlace, name: str, kind: str) -> None:
        place.write("a", "a")
        if name != "Dockerfile":
            place.write("Dockerfile", "FROM scratch\nCOPY a /\n")
        make_odd(place.project / name, kind)
        if name == "Dockerfile":
            with pytest.raises(SampanError, match="failed to read dockerfile: open Dockerfile"):
                place.build()
        else:
            with pytest.raises(SampanError, match=r"failed to read \.dockerignore: is not a regular file"):
                place.build()


def make_odd(path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))


class TestChangesMeanwhile:
    """Each part on its own, so that the change comes exactly in between."""

    @pytest.fixture
    def selected(self, place: BuildPlace) -> Iterator[Selection]:
        place.write("d/file", "good")
        (place.project / "d/link").symlink_to("file")
        fd = os.open(place.project, os.O_RDONLY | os.O_DIRECTORY)
        yield select(fd, ["d"], Filters(), keep_owners=False)
        os.close(fd)

    @pytest.fixture
    def digests(self, tmp_path: Path) -> FileDigests:
        return FileDigests(str(tmp_path / "digests"))

    def swap(self, place: BuildPlace, secret: Path) -> None:
        (place.project / "d").rename(place.project / "moved")
        (place.project / "d").symlink_to(secret)
        (secret / "link").symlink_to("elsewhere")

    def test_a_folder_becomes_a_link_before_it_is_hashed(
        self, place: BuildPlace, selected: Selection, digests: FileDigests, secret: Path
    ) -> None:
        self.swap(place, secret)
        with pytest.raises(SourceChanged, match="/d/file: changed while it was copied"):
            hash_files(selected, digests)

    def test_a_folder_becomes_a_link_before_its_links_are_read(
        self, place: BuildPlace, selected: Selection, digests: FileDigests, secret: Path
    ) -> None:
        hash_files(selected, digests)
        self.swap(place, secret)
        with pytest.raises(SourceChanged, match="/d/link"):
            selected.digest()

    def test_a_folder_becomes_a_link_before_it_is_copied(
        self, place: BuildPlace, selected: Selection, digests: FileDigests, secret: Path, tmp_path: Path
    ) -> None:
        hash_files(selected, digests)
        self.swap(place, secret)
        with pytest.raises(SourceChanged, match="/d/file"):
            copy(selected, tmp_path / "target")
        assert not (tmp_path / "target/file").exists()

    def test_a_file_is_rewritten_before_it_is_copied(
        self, place: BuildPlace, selected: Selection, digests: FileDigests, tmp_path: Path
    ) -> None:
        hash_files(selected, digests)
        place.write("d/file", "other")
        with pytest.raises(SourceChanged, match="/d/file"):
            copy(selected, tmp_path / "target")

    def test_a_file_becomes_a_fifo(
        self, place: BuildPlace, selected: Selection, digests: FileDigests
    ) -> None:
        (place.project / "d/file").unlink()
        os.mkfifo(place.project / "d/file")
        with pytest.raises(SourceChanged):
            hash_files(selected, digests)

    def test_copies_that_were_hashed_are_what_is_copied(
        self, place: BuildPlace, selected: Selection, digests: FileDigests, tmp_path: Path
    ) -> None:
        stage = tmp_path / "stage"
        stage.mkdir()
        hash_files(selected, digests, str(stage))
        before = selected.digest()
        place.write("d/file", "other")
        copy(selected, tmp_path / "target")
        assert (tmp_path / "target/file").read_text() == "good"
        assert selected.digest() == before


def copy(selection: Selection, target: Path) -> None:
    target.mkdir()
    fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        copy_selection(selection, Upper(fd, None), "/", Transfer())
    finally:
        os.close(fd)


class Restless(FileDigests):
    """As if somebody wrote into each file of the context as soon as it has been read."""

    def read(self, fd: int) -> bytes:
        digest = super().read(fd)
        path = os.readlink(f"/proc/self/fd/{fd}")
        if "/project/" in path:
            with open(path, "ab") as file:
                file.write(b"+")
        return digest


def test_of_a_file_that_never_rests_the_copy_is_what_was_hashed(place: BuildPlace, tmp_path: Path) -> None:
    place.builder.workplace.digests = Restless(str(tmp_path / "restless"))
    log = place.write("log", "1")
    first = place.build("FROM scratch\nCOPY log /")
    assert (place.layer(first) / "log").read_text() == "1+"
    log.write_text("1")
    second = place.build("FROM scratch\nCOPY log /copy")
    assert (place.layer(second) / "copy").read_text() == "1+"
    place.builder.workplace.digests = FileDigests(str(tmp_path / "calm"))
    log.write_text("1+")
    again = place.build("FROM scratch\nCOPY log /")
    assert (place.layer(again) / "log").read_text() == "1+"
    assert place.cached() == {"COPY log /": True}


class TestSparseFiles:
    def test_ten_gigabytes_of_nothing_are_copied_as_that(self, place: BuildPlace) -> None:
        huge = place.write("huge", "start")
        os.truncate(huge, HUGE)
        with huge.open("r+b") as file:
            file.seek(HUGE - 3)
            file.write(b"end")
        place.build(
            "FROM scratch AS one\nCOPY huge /huge\n"
            "FROM scratch AS two\nCOPY --from=one huge /huge\nRUN write /size x\n"
            "FROM scratch\nCOPY --from=two /size /\n"
        )
        copies = [path for path in (place.root / "snapshots").rglob("huge") if path.is_file()]
        assert len(copies) == 2
        for path in copies:
            assert path.stat().st_size == HUGE
            assert path.stat().st_blocks * 512 < 16 << 20
            with path.open("rb") as file:
                assert file.read(6) == b"start\0"
                file.seek(HUGE - 4)
                assert file.read() == b"\0end"

    def test_holes_and_zeros_have_one_digest(self, tmp_path: Path) -> None:
        size = (64 << 20) + 5
        digests = []
        for name, content in (("holes", b""), ("zeros", bytes(size)), ("other", b"")):
            with (tmp_path / name).open("w+b") as file:
                file.write(content)
                file.truncate(size)
                file.seek(33 << 20)
                file.write(b"x" if name != "other" else b"y")
                file.flush()
                digests.append(hash_content(file.fileno(), size))
        assert digests[0] == digests[1] != digests[2]

    def test_a_copy_has_every_byte(self, tmp_path: Path) -> None:
        with (tmp_path / "a").open("w+b") as source, (tmp_path / "b").open("w+b") as target:
            for position in (0, 1 << 20, (3 << 20) - 1):
                source.seek(position)
                source.write(b"data")
            source.truncate(5 << 20)
            source.flush()
            Copying().copy(source.fileno(), target.fileno())
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestUploadedContexts:
    """The same in a tar that a client sends, and in what a repository may have."""

    @staticmethod
    def build(place: BuildPlace, dockerfile: str, *members: tuple[str, bytes, str]) -> Image:
        """Members are names with types and targets of links."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, kind, target in (("Dockerfile", tarfile.REGTYPE, ""), *members):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                data = dockerfile.encode() if name == "Dockerfile" else b"content"
                info.size = len(data) if kind == tarfile.REGTYPE else 0
                archive.addfile(info, io.BytesIO(data))
        out.seek(0)

        async def run() -> Image:
            async with place.builder.context_of(out) as folder:
                result = await place.builder.build(BuildRequest(context=folder), lambda _: None)
            return place.images.get(parse_digest(result.image_id))

        return asyncio.run(run())

    def test_odd_members_are_what_they_are(self, place: BuildPlace) -> None:
        image = self.build(
            place,
            "FROM scratch\nCOPY . /\n",
            ("pipe", tarfile.FIFOTYPE, ""),
            ("two\nlines", tarfile.REGTYPE, ""),
            ("link", tarfile.SYMTYPE, "/etc/passwd"),
        )
        assert place.names(image) == ["Dockerfile", "link", "pipe", "two\nlines"]
        assert os.readlink(place.layer(image) / "link") == "/etc/passwd"

    def test_links_do_not_lead_outside(self, place: BuildPlace, secret: Path) -> None:
        with pytest.raises(BuildFailed, match='"/link/file": not found'):
            self.build(place, "FROM scratch\nCOPY link/file /\n", ("link", tarfile.SYMTYPE, f"{secret}"))
        with pytest.raises(SampanError):
            self.build(place, "FROM scratch\nCOPY . /\n", ("hard", tarfile.LNKTYPE, f"{secret}/file"))
        self.build(
            place,
            "FROM scratch\nCOPY . /\n",
            ("d", tarfile.SYMTYPE, str(secret)),
            ("d/planted", tarfile.REGTYPE, ""),
        )
        assert os.listdir(secret) == ["file"]

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd"])
    def test_a_dockerfile_that_leads_outside_is_not_read(self, place: BuildPlace, target: str) -> None:
        with pytest.raises(NotFound, match="failed to read dockerfile"):
            self.build(place, "", ("Dockerfile", tarfile.SYMTYPE, target))


class TestSentContexts:
    """The same by our command line, when it sends the context to an engine elsewhere."""

    @staticmethod
    def send(place: BuildPlace) -> tarfile.TarFile:
        data = b"".join(iter_context(str(place.project), dockerfile="Dockerfile"))
        return tarfile.open(fileobj=io.BytesIO(data))

    def test_odd_files_are_sent_as_what_they_are(self, place: BuildPlace) -> None:
        os.mkfifo(place.project / "pipe")
        os.mknod(place.project / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        (place.project / "link").symlink_to("/etc")
        place.write("two\nlines")
        make_odd(place.project / "sock", "socket")
        with self.send(place) as archive:
            kinds = {member.name: member.type for member in archive}
            assert (archive.getmember("zero").devmajor, archive.getmember("zero").devminor) == (1, 5)
        assert kinds == {
            "link": tarfile.SYMTYPE,
            "pipe": tarfile.FIFOTYPE,
            "two\nlines": tarfile.REGTYPE,
            "zero": tarfile.CHRTYPE,
        }

    @pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
    def test_an_ignore_file_of_another_kind_is_not_waited_for(self, place: BuildPlace, kind: str) -> None:
        make_odd(place.project / ".dockerignore", kind)
        with pytest.raises(SampanError, match=r"failed to read \.dockerignore: is not a regular file"):
            self.send(place)

    @pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
    def test_a_dockerfile_elsewhere_of_another_kind_is_not_waited_for(
        self, place: BuildPlace, secret: Path, kind: str
    ) -> None:
        make_odd(secret / "odd", kind)
        with pytest.raises(SampanError, match=r"failed to read dockerfile: .*: is not a regular file"):
            FolderContext(str(place.project), str(secret / "odd")).archive()

    def test_an_ignore_file_outside_is_not_read(self, place: BuildPlace, secret: Path) -> None:
        (secret / "ignore").write_text("*")
        (place.project / ".dockerignore").symlink_to(secret / "ignore")
        place.write("a", "a")
        with self.send(place) as archive:
            assert "a" in archive.getnames()

    def test_a_folder_that_becomes_a_link_is_not_followed(self, place: BuildPlace, secret: Path) -> None:
        place.write("a")
        place.write("d/file", "inside" * 1000)
        sending = iter_context(str(place.project), dockerfile="Dockerfile")
        data = next(sending)
        (place.project / "d").rename(place.project / "moved")
        (place.project / "d").symlink_to(secret)
        data += b"".join(sending)
        assert b"secret" not in data

    def test_a_tree_may_be_deeper_than_pythons_stack(self, place: BuildPlace) -> None:
        for depth in range(500, 1501, 500):
            os.makedirs(place.project / "/".join(["d"] * depth))
        try:
            with self.send(place) as archive:
                assert len(archive.getmembers()) == 1500
            assert explain_context(str(place.project), "").sent.files == 0
        finally:
            remove_tree(str(place.project / "d"))

    def test_what_cannot_be_read_is_named(self, place: BuildPlace) -> None:
        place.write("d/private", "x", mode=0o600)
        place.write("other", "x")
        place.project.chmod(0o755)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            said = "sent"
            try:
                os.chdir(place.project)
                os.setresuid(65534, 65534, 65534)
                list(iter_context(".", dockerfile="Dockerfile"))
            except SampanError as error:
                said = f"{error.message}; {error.hint}"
            finally:
                os.write(writing, said.encode())
                os._exit(0)
        os.waitpid(child, 0)
        said = os.read(reading, 1000).decode()
        assert said == "context: no permission to read d/private; leave it out in .dockerignore"
        os.close(reading)
        os.close(writing)
