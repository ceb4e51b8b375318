# SPDX-License-Identifier: Apache-2.0
"""What may be removed, in Docker's words."""

from __future__ import annotations

import pytest

from sampan.errors import Conflict
from sampan.image.removal import is_single, plan_removal
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference, parse_name

ID = Digest("sha256", "ab" * 32)
DIGEST = "@sha256:" + "cd" * 32
RUNNING = ("c0ffee" + "0" * 58, True)
STOPPED = ("decade" + "0" * 58, False)


def names(*texts: str) -> list[Reference]:
    return [parse_name(text) for text in texts]


def test_the_last_name_takes_the_image_along() -> None:
    plan = plan_removal(ID, names("x:1"), given=parse_name("x:1"), force=False, users=())
    assert (plan.untag, plan.delete) == (tuple(names("x:1")), True)


def test_one_of_two_names_is_only_untagged_even_in_use() -> None:
    plan = plan_removal(ID, names("x:1", "y:1"), given=parse_name("x:1"), force=False, users=[RUNNING])
    assert (plan.untag, plan.delete) == (tuple(names("x:1")), False)


def test_the_last_name_of_an_image_in_use_stays() -> None:
    with pytest.raises(Conflict) as caught:
        plan_removal(ID, names("x:1"), given=parse_name("x:1"), force=False, users=[STOPPED])
    assert str(caught.value) == (
        'conflict: unable to remove repository reference "x:1" (must force) - container decade000000'
        " is using its referenced image abababababab"
    )


def test_by_force_the_name_goes_and_a_running_container_keeps_the_image() -> None:
    plan = plan_removal(ID, names("x:1"), given=parse_name("x:1"), force=True, users=[RUNNING])
    assert (plan.untag, plan.delete) == (tuple(names("x:1")), False)


def test_by_force_a_stopped_container_does_not_keep_it() -> None:
    assert plan_removal(ID, names("x:1"), given=parse_name("x:1"), force=True, users=[STOPPED]).delete


def test_repo_digests_go_with_the_last_tag_of_their_repository() -> None:
    given = parse_name("x:1")
    plan = plan_removal(ID, names("x:1", "x" + DIGEST), given=given, force=False, users=())
    assert (plan.untag, plan.delete) == (tuple(names("x:1", "x" + DIGEST)), True)


def test_repo_digests_stay_while_another_tag_of_the_repository_does() -> None:
    given = parse_name("x:1")
    plan = plan_removal(ID, names("x:1", "x:2", "x" + DIGEST), given=given, force=False, users=())
    assert (plan.untag, plan.delete) == (tuple(names("x:1")), False)


def test_by_id_the_only_name_goes_too() -> None:
    plan = plan_removal(ID, names("x:1"), given=None, force=False, users=())
    assert (plan.untag, plan.delete) == (tuple(names("x:1")), True)


@pytest.mark.parametrize(
    ("tags", "users", "force", "words"),
    [
        (("x:1", "y:1"), (), False, "(must be forced) - image is referenced in multiple repositories"),
        (("x:1", "x:2"), (), False, "(must be forced) - image is referenced in multiple repositories"),
        (
            ("x:1",),
            (STOPPED,),
            False,
            "(must be forced) - image is being used by stopped container decade000000",
        ),
        (
            ("x:1",),
            (RUNNING,),
            True,
            "(cannot be forced) - image is being used by running container c0ffee000000",
        ),
        (
            (),
            (STOPPED, RUNNING),
            True,
            "(cannot be forced) - image is being used by running container c0ffee000000",
        ),
    ],
)
def test_by_id_conflicts_say_whether_force_helps(
    tags: tuple[str, ...], users: tuple[tuple[str, bool], ...], force: bool, words: str
) -> None:
    with pytest.raises(Conflict) as caught:
        plan_removal(ID, names(*tags), given=None, force=force, users=users)
    assert str(caught.value) == f"conflict: unable to delete abababababab {words}"


@pytest.mark.parametrize(
    ("texts", "single"),
    [
        ((), True),
        (("x:1",), True),
        (("x:1", "x:2"), False),
        (("x:1", "x" + DIGEST), True),
        (("x:1", "y" + DIGEST), False),
        (("x" + DIGEST, "y" + DIGEST), False),
    ],
)
def test_one_name_is_one_tag_and_digests_of_its_repository(texts: tuple[str, ...], single: bool) -> None:
    assert is_single(names(*texts)) is single
