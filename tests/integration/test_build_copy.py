# SPDX-License-Identifier: Apache-2.0
"""COPY, ADD and WORKDIR write what BuildKit writes: names, modes, owners, links, archives."""

from __future__ import annotations

import gzip
import http.server
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from build_place import BuildPlace
from sampan.build.errors import BuildFailed
from sampan.snapshot.driver import CopyDriver, OverlayDriver


@pytest.fixture(params=[OverlayDriver, CopyDriver])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BuildPlace]:
    made = BuildPlace(tmp_path, request.param())
    yield made
    made.close()


BASE = """FROM scratch
COPY <<passwd /etc/
root:x:0:0::/root:/bin/sh
app:x:1000:1001::/home/app:/bin/sh
passwd
COPY <<group /etc/
root:x:0:
app:x:1001:
staff:x:50:
group
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def owner_of(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def tree(place: BuildPlace, text: str) -> Path:
    """The last layer of an image built from scratch and these lines."""
    return place.layer(place.build("FROM scratch\n" + text))


def test_a_file_keeps_mode_and_mtime_but_not_its_owner(place: BuildPlace) -> None:
    path = place.write("run.sh", "x", mode=0o4751)
    os.chown(path, 77, 88)
    path.chmod(0o4751)
    os.utime(path, ns=(1, 1_500_000_000_123_456_789))
    copied = tree(place, "COPY run.sh /bin/") / "bin/run.sh"
    assert (mode_of(copied), owner_of(copied)) == (0o4751, (0, 0))
    assert copied.stat().st_mtime_ns == 1_500_000_000_123_456_789


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY a.txt /b.txt", {"b.txt"}),
        ("COPY a.txt /d/", {"d", "d/a.txt"}),
        ("COPY a.txt /d/e/b.txt", {"d", "d/e", "d/e/b.txt"}),
        ("COPY app /app", {"app", "app/m.py", "app/t", "app/t/n.py"}),
        ("COPY app/ /x/", {"x", "x/m.py", "x/t", "x/t/n.py"}),
        ("COPY app /", {"m.py", "t", "t/n.py"}),
        ("COPY a.txt b.md /d/", {"d", "d/a.txt", "d/b.md"}),
        ("COPY *.txt /d/", {"d", "d/a.txt", "d/link.txt"}),
        ("COPY a.??? /d/", {"d", "d/a.txt"}),
        ("COPY [ab].* /d/", {"d", "d/a.txt", "d/b.md"}),
        ("COPY app/*/n.py /d/", {"d", "d/n.py"}),
        ("COPY ap* /d/", {"d", "d/m.py", "d/t", "d/t/n.py"}),
        ("COPY nothing* a.txt /d/", {"d", "d/a.txt"}),
        ("COPY **/n.py a.txt /d/", {"d", "d/a.txt"}),
        ("COPY ../../a.txt /d/", {"d", "d/a.txt"}),
        ("COPY /a.txt /d/", {"d", "d/a.txt"}),
        ("COPY link.txt /d/", {"d", "d/link.txt"}),
        ("COPY --exclude=*.txt a.txt b.md /d/", {"d", "d/b.md"}),
        ("COPY --exclude=t app /d/", {"d", "d/m.py"}),
        ("COPY --exclude=**/*.py --exclude=!t/n.py app /d/", {"d", "d/t", "d/t/n.py"}),
        ("COPY --parents app/t/n.py /d/", {"d", "d/app", "d/app/t", "d/app/t/n.py"}),
        ("COPY --parents app/./t/n.py /d/", {"d", "d/t", "d/t/n.py"}),
        ("COPY --parents **/*.py /d/", {"d", "d/app", "d/app/m.py", "d/app/t", "d/app/t/n.py"}),
        ('COPY ["sp ace", "/d/"]', {"d", "d/sp ace"}),
        ("WORKDIR /w\nCOPY a.txt .", {"w", "w/a.txt"}),
        ("WORKDIR /w\nCOPY a.txt sub/", {"w", "w/sub", "w/sub/a.txt"}),
    ],
)
def test_what_lands_where(place: BuildPlace, line: str, expected: set[str]) -> None:
    place.write("a.txt", "a")
    place.write("b.md", "b")
    place.write("sp ace", "s")
    place.write("app/m.py", "m")
    place.write("app/t/n.py", "n")
    os.symlink("a.txt", place.project / "link.txt")
    image = place.build("FROM scratch\n" + line)
    assert set(place.names(image)) == expected


def test_a_link_that_is_named_is_followed_and_one_inside_a_folder_is_kept(place: BuildPlace) -> None:
    place.write("dir/real.txt", "content")
    os.symlink("real.txt", place.project / "dir/link")
    os.symlink("dir/real.txt", place.project / "named")
    os.symlink("/etc/hostname", place.project / "dir/absolute")
    root = tree(place, "COPY named dir /d/")
    assert (root / "d/named").read_text() == "content"
    assert not (root / "d/named").is_symlink()
    assert os.readlink(root / "d/link") == "real.txt"
    assert os.readlink(root / "d/absolute") == "/etc/hostname"


def test_a_link_out_of_the_context_stays_inside(place: BuildPlace) -> None:
    os.symlink("/etc/passwd", place.project / "escape")
    with pytest.raises(BuildFailed, match='"/escape": not found'):
        place.build("FROM scratch\nCOPY escape /x")


def test_a_new_destination_is_0755_and_folders_inside_keep_their_mode(place: BuildPlace) -> None:
    place.write("app/t/n.py", "n")
    (place.project / "app").chmod(0o700)
    (place.project / "app/t").chmod(0o750)
    root = tree(place, "COPY app /app")
    assert (mode_of(root / "app"), mode_of(root / "app/t")) == (0o755, 0o750)


def test_an_existing_destination_keeps_mode_and_owner(place: BuildPlace) -> None:
    place.write("d/x", "x")
    (place.project / "d").chmod(0o700)
    place.write("a.txt", "a")
    image = place.build(
        BASE
        + "COPY --chown=app --chmod=0711 d /parent/d\nCOPY --chmod=640 a.txt /parent/a\nCOPY a.txt /parent/d/"
    )
    root = place.layer(image)
    assert (mode_of(root / "parent/d"), owner_of(root / "parent/d")) == (0o711, (1000, 1001))
    assert mode_of(root / "parent") == 0o711


def test_files_keep_their_hard_links_within_one_copy(place: BuildPlace) -> None:
    place.write("app/one", "x")
    os.link(place.project / "app/one", place.project / "app/two")
    root = tree(place, "COPY app /app")
    assert (root / "app/one").stat().st_ino == (root / "app/two").stat().st_ino


def test_attributes_of_the_context_are_dropped_and_those_of_a_stage_kept(place: BuildPlace) -> None:
    path = place.write("f", "x")
    os.setxattr(path, "user.note", b"secret")
    place.executor.inspect = lambda step: os.setxattr(
        place.snapshots.upper_path(step.snapshot), "user.root", b"1"
    )
    image = place.build("FROM scratch AS a\nCOPY f /f\nFROM scratch\nCOPY --from=a /f /g")
    assert os.listxattr(place.layer(image) / "g") == []


@pytest.mark.parametrize(
    ("flag", "owner"),
    [("app", (1000, 1001)), ("app:staff", (1000, 50)), ("5", (5, 5)), ("5:staff", (5, 50)), ("0:7", (0, 7))],
)
def test_chown(place: BuildPlace, flag: str, owner: tuple[int, int]) -> None:
    place.write("d/f", "x")
    root = place.layer(place.build(f"{BASE}COPY --chown={flag} d /new/d"))
    assert {owner_of(root / name) for name in ("new", "new/d", "new/d/f")} == {owner}


def test_an_unknown_owner_is_an_error_with_its_line(place: BuildPlace) -> None:
    place.write("f", "x")
    with pytest.raises(
        BuildFailed, match="unable to find user nobody: no matching entries in passwd"
    ) as caught:
        place.build("FROM scratch\nCOPY --chown=nobody f /f")
    assert "2 | >>> COPY --chown=nobody" in caught.value.excerpt


def test_chmod_octal_and_symbolic(place: BuildPlace) -> None:
    place.write("d/f", "x", mode=0o600)
    place.write("d/g", "x", mode=0o700)
    root = tree(place, "COPY --chmod=u=rwX,go=rX d /d")
    assert (mode_of(root / "d/f"), mode_of(root / "d/g")) == (0o644, 0o755)
    assert mode_of(tree(place, "COPY --chmod=0440 d/f /f") / "f") == 0o440


def test_the_destination_s_links_are_followed_inside_the_root(place: BuildPlace) -> None:
    place.write("links/etc", "")
    (place.project / "links/etc").unlink()
    os.symlink("/real", place.project / "links/current")
    place.write("f", "x")
    image = place.build("FROM scratch\nCOPY links /\nCOPY f /real/old\nCOPY f /current/new")
    assert set(place.names(image)) >= {"real", "real/new"}
    linked = place.build("FROM scratch\nCOPY links /\nCOPY f /real/old\nCOPY --link f /current/new")
    assert (place.layer(linked) / "current").is_dir()
    assert not (place.layer(linked) / "current").is_symlink()


def test_a_file_cannot_replace_a_folder_nor_a_folder_a_file(place: BuildPlace) -> None:
    place.write("d/x/y", "")
    place.write("e/x", "")
    with pytest.raises(BuildFailed, match="cannot replace to directory /t/x with file"):
        place.build("FROM scratch\nCOPY d /t\nCOPY e /t")
    with pytest.raises(BuildFailed, match="cannot copy to non-directory: /t/x"):
        place.build("FROM scratch\nCOPY e /t\nCOPY d /t")


def test_a_missing_source_is_an_error_with_line_and_nearest_name(place: BuildPlace) -> None:
    place.write("src/requirements.txt", "")
    with pytest.raises(BuildFailed) as caught:
        place.build("FROM scratch\nWORKDIR /a\nCOPY src/requirments.txt /x")
    assert caught.value.message == 'failed to compute cache key: "/src/requirments.txt": not found'
    assert caught.value.hint == "did you mean src/requirements.txt?"
    assert "3 | >>> COPY src/requirments.txt /x" in caught.value.excerpt


def test_ignored_files_are_not_there(place: BuildPlace) -> None:
    for name in ("a.py", "a.pyc", "docs/x.md", "docs/README.md", "Dockerfile", "keep/a"):
        place.write(name, "x")
    place.write(".dockerignore", "*.pyc\ndocs\n!docs/README.md\nDockerfile\n.dockerignore\nkeep/\n")
    image = place.build("FROM scratch\nCOPY . /c/")
    assert set(place.names(image)) == {"c", "c/a.py", "c/docs", "c/docs/README.md"}
    with pytest.raises(BuildFailed, match="not found"):
        place.build("FROM scratch\nCOPY a.pyc /")


def test_a_dockerfile_s_own_ignore_file_takes_the_default_s_place(place: BuildPlace) -> None:
    place.write("a", "x")
    place.write("b", "x")
    place.write("other/File", "FROM scratch\nCOPY a* b* /")
    place.write("other/File.dockerignore", "a")
    place.write(".dockerignore", "b")
    assert place.names(place.build(dockerfile="other/File")) == ["b"]


def test_inline_documents(place: BuildPlace) -> None:
    root = tree(place, "ENV v=1\nCOPY --chmod=0600 <<one <<'two' /d/\na $v\none\nb $v\ntwo\n")
    assert ((root / "d/one").read_text(), (root / "d/two").read_text()) == ("a 1\n", "b $v\n")
    assert mode_of(root / "d/one") == 0o600


def test_workdir_is_made_as_the_current_user(place: BuildPlace) -> None:
    image = place.build(BASE + "USER app\nWORKDIR /home/app/src\nCOPY <<f .\nx\nf\n")
    made = place.layer(image, -2)
    assert owner_of(made / "home/app/src") == (1000, 1001)
    assert owner_of(place.layer(image) / "home/app/src/f") == (0, 0)


def test_an_existing_workdir_changes_nothing(place: BuildPlace) -> None:
    image = place.build("FROM scratch\nWORKDIR /a\nWORKDIR /a", no_cache=True)
    if place.snapshots.driver.is_layered:
        assert place.names(image) == []
    assert image.config.history[-1].created_by == "WORKDIR /a"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_is_known_by_its_content_and_unpacked(place: BuildPlace, mode: str) -> None:
    place.make_tar("looks-like.txt", {"bin/tool": "t", "top": "u"}, mode)
    root = tree(place, "ADD looks-like.txt /opt/")
    assert (root / "opt/bin/tool").read_text() == "t"
    assert owner_of(root / "opt/top") == (12, 34)


def test_chown_applies_to_what_is_unpacked(place: BuildPlace) -> None:
    place.make_tar("a.tar", {"top": "u"})
    assert owner_of(tree(place, "ADD --chown=7:8 a.tar /opt/") / "opt/top") == (7, 8)


def test_what_is_no_archive_is_copied_as_it_is(place: BuildPlace) -> None:
    place.write("text.gz", gzip.compress(b"no tar"))
    place.write("fake.tar", b"not a tar at all")
    place.make_tar("real.tar", {"x": "y"})
    root = tree(place, "ADD text.gz fake.tar /d/")
    assert gzip.decompress((root / "d/text.gz").read_bytes()) == b"no tar"
    assert (root / "d/fake.tar").exists()
    assert (tree(place, "COPY real.tar /d/") / "d/real.tar").is_file()
    assert (tree(place, "ADD --unpack=false real.tar /d/") / "d/real.tar").is_file()


def test_an_archive_cannot_write_outside(place: BuildPlace) -> None:
    place.make_tar("evil.tar", {"../../evil": "x"})
    with pytest.raises(BuildFailed):
        place.build("FROM scratch\nADD evil.tar /d/")
    assert not (place.root / "evil").exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server that knows ETags, and counts whole answers in its folder."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("missing"):
                self.send_error(404)
            elif self.headers.get("If-None-Match") == '"1"':
                self.send_response(304)
                self.end_headers()
            else:
                with (tmp_path / "answers").open("a") as file:
                    file.write(self.path + "\n")
                self.send_response(200)
                self.send_header("ETag", '"1"')
                self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
                self.end_headers()
                self.wfile.write(b"remote")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_remote_file_is_fetched_once(place: BuildPlace, server: str, tmp_path: Path) -> None:
    text = f"FROM scratch\nADD {server}/dir/tool.bin /bin/"
    image = place.build(text)
    tool = place.layer(image) / "bin/tool.bin"
    assert (tool.read_bytes(), mode_of(tool), tool.stat().st_mtime) == (b"remote", 0o600, 1445412480.0)
    again = place.build(text)
    assert again.id == image.id
    assert (tmp_path / "answers").read_text().splitlines() == ["/dir/tool.bin"]


@pytest.mark.parametrize(
    ("flag", "path", "reason"),
    [
        ("--checksum=sha256:" + "0" * 64, "/x", "digest mismatch"),
        ("", "/missing", "404"),
        ("--checksum=md5:1", "/x", "."),
    ],
)
def test_a_download_that_is_not_right_is_refused(
    place: BuildPlace, server: str, flag: str, path: str, reason: str
) -> None:
    with pytest.raises(BuildFailed, match=reason):
        place.build(f"FROM scratch\nADD {flag} {server}{path} /f")


def test_named_contexts(place: BuildPlace, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "sub").mkdir(parents=True)
    (other / "sub/f").write_text("other")
    image = place.build("FROM scratch\nCOPY --from=docs sub /d", named_contexts={"docs": str(other)})
    assert (place.layer(image) / "d/f").read_text() == "other"


def test_a_named_context_replaces_a_base(place: BuildPlace) -> None:
    place.build("FROM scratch\nCOPY <<f /f\nx\nf\n", tags=("mine:1",))
    image = place.build(
        "FROM python:3.10\nCOPY <<g /g\ny\ng\n", named_contexts={"python:3.10": "docker-image://mine:1"}
    )
    assert len(image.config.diff_ids) == 2


def test_a_later_source_replaces_an_earlier_one(place: BuildPlace) -> None:
    place.write("a/f", "a")
    place.write("b/f", "b")
    place.make_tar("c.tar", {"f": "c", "g": "c"})
    assert (tree(place, "COPY a b /d/") / "d/f").read_text() == "b"
    assert (tree(place, "ADD c.tar b /d/") / "d/f").read_text() == "b"
    assert (tree(place, "COPY b <<f /d/\nx\nf\n") / "d/f").read_text() == "x\n"


def test_hard_links_survive_across_the_sources_of_one_copy(place: BuildPlace) -> None:
    place.write("a/one", "x")
    place.write("b/keep", "")
    os.link(place.project / "a/one", place.project / "b/two")
    root = tree(place, "COPY a b /d/")
    assert (root / "d/one").stat().st_ino == (root / "d/two").stat().st_ino


def test_owners_and_attributes_of_a_stage_are_kept_and_count(place: BuildPlace) -> None:
    text = "FROM scratch AS a\nRUN write /d/f x;say {}\nFROM scratch\nCOPY --from=a /d /e\n"

    def dress(path: str, value: bytes) -> None:
        os.chown(path, 7, 8)
        os.setxattr(path, "user.note", value)

    place.executor.after = lambda root: dress(root + "/d/f", b"1")
    image = place.build(text.format("1"))
    copied = place.layer(image) / "e/f"
    assert (owner_of(copied), os.getxattr(copied, "user.note")) == ((7, 8), b"1")
    place.executor.after = lambda root: dress(root + "/d/f", b"2")
    place.build(text.format("2"))
    assert not place.cached()["COPY --from=a /d /e"]
