# SPDX-License-Identifier: Apache-2.0
from sampan.snapshot.model import Mount


def test_overlay_options_hold_nothing_that_a_path_could_forge() -> None:
    mount = Mount("overlay", lower=("/a:b", "/c,d\\e"), upper="/u", work="/w", volatile=True)
    assert mount.overlay_options() == (
        "lowerdir=/a\\:b:/c\\,d\\\\e,upperdir=/u,workdir=/w,index=off,metacopy=off,redirect_dir=off,volatile"
    )


def test_paths_are_shortened_below_the_directory_that_is_changed_to() -> None:
    mount = Mount("overlay", lower=("/root/2/fs", "/root/1/fs", "/rooted/3/fs"), readonly=True)
    assert mount.overlay_options(relative_to="/root/") == "lowerdir=2/fs:1/fs:/rooted/3/fs"


def test_a_launch_order_gets_plain_data() -> None:
    assert Mount("bind", source="/s", readonly=True).document() == {
        "type": "bind",
        "source": "/s",
        "readonly": True,
    }
    assert Mount("overlay", lower=("/l",), upper="/u", work="/w").document() == {
        "type": "overlay",
        "lower": ["/l"],
        "upper": "/u",
        "work": "/w",
        "readonly": False,
        "volatile": False,
    }
