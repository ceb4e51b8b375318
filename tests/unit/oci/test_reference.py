# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.oci.digest import Digest
from sampan.oci.reference import InvalidReference, parse_name, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("python", "docker.io/library/python:latest", "python:latest"),
        ("python:3.12", "docker.io/library/python:3.12", "python:3.12"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("docker.io/python", "docker.io/library/python:latest", "python:latest"),
        ("index.docker.io/library/python", "docker.io/library/python:latest", "python:latest"),
        ("docker.io/library/user/app:1", "docker.io/library/user/app:1", "library/user/app:1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("registry.example.com/a/b/c:x", "registry.example.com/a/b/c:x", "registry.example.com/a/b/c:x"),
        ("Registry/app", "Registry/app:latest", "Registry/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        (f"python@{DIGEST}", f"docker.io/library/python@{DIGEST}", f"python@{DIGEST}"),
        (f"python:3@{DIGEST}", f"docker.io/library/python:3@{DIGEST}", f"python:3@{DIGEST}"),
        ("a-b__c/d--e.f", "docker.io/a-b__c/d--e.f:latest", "a-b__c/d--e.f:latest"),
    ],
)
def test_references_are_normalised_as_docker_does(text: str, full: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert str(reference) == full
    assert reference.familiar() == familiar


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        (":tag", "invalid reference format"),
        ("app:", "invalid reference format"),
        ("app@", "invalid reference format"),
        ("app:a:b", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a/b/", "invalid reference format"),
        ("-app", "invalid reference format"),
        ("app_", "invalid reference format"),
        ("a__b.c/app", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("app:" + "x" * 129, "invalid reference format"),
        ("app tag", "invalid reference format"),
        ("app\n", "invalid reference format"),
        ("../../etc", "invalid reference format"),
        ("Foo", "invalid reference format: repository name (library/Foo) must be lowercase"),
        ("user/Foo:1", "invalid reference format: repository name (user/Foo) must be lowercase"),
        ("app@sha256:" + "a" * 40, "invalid checksum digest length"),
        ("app@md5:" + "a" * 32, "unsupported digest algorithm"),
        (
            "a" * 64,
            f"invalid repository name ({'a' * 64}), cannot specify 64-byte hexadecimal strings",
        ),
        ("x/" + "a" * 256, "repository name must not be more than 255 characters"),
    ],
)
def test_errors_have_dockers_words(text: str, message: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the message is what is asserted)
        parse_reference(text)
    assert str(caught.value) == message


def test_a_name_without_tag_stays_without() -> None:
    assert parse_name("python").tag is None
    assert str(parse_name("python")) == "docker.io/library/python"


def test_tags_and_digests_replace_each_other() -> None:
    reference = parse_reference("python:3")
    digest = Digest.of(b"")
    assert str(reference.with_digest(digest)) == f"docker.io/library/python@{digest}"
    assert str(reference.with_digest(digest).with_tag("4")) == "docker.io/library/python:4"
    with pytest.raises(InvalidReference, match="invalid tag format"):
        reference.with_tag("-")


component = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+){0,2}", fullmatch=True)
registry = st.one_of(st.just(""), st.from_regex(r"[a-z0-9]+\.[a-z]{2,3}(:[0-9]{1,4})?/", fullmatch=True))
tag = st.from_regex(r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,10})?", fullmatch=True)


@given(registry, st.lists(component, min_size=1, max_size=3), tag)
def test_full_and_familiar_forms_mean_the_same(host: str, path: list[str], suffix: str) -> None:
    text = host + "/".join(path) + suffix
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar()) == reference


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return
    assert parse_reference(str(reference)) == reference
