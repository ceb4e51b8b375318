# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from compose_cases import load_text
from sampan.build.dockerignore import parse_dockerignore
from sampan.compose.watch_plan import Reaction, outermost, plan_reactions, plan_rules
from sampan.errors import InvalidArgument

TEXT = """
services:
  web:
    build: .
    volumes: ["./data:/data"]
    develop:
      watch:
        - {path: ./src, action: sync, target: /app, ignore: ["cache/"], include: "**/*.py"}
        - {path: ./conf, action: sync+restart, target: /conf}
        - {path: ./data, action: sync, target: /data}
  api:
    build: .
    develop:
      watch:
        - {path: ./src, action: sync, target: /api}
        - {path: ./lock, action: rebuild}
"""


def react(tmp_path: Path, *names: str, gone: tuple[str, ...] = (), text: str = TEXT) -> list[Reaction]:
    """What changes of these paths lead to."""
    rules, _ = plan_rules(
        load_text(tmp_path, text),
        lambda patterns: parse_dockerignore("\n".join(patterns)).matches,
        lambda service: ["*.log", "src/secret"],
    )
    return plan_reactions(
        rules, [str(tmp_path / name) for name in names], exists=lambda path: Path(path).name not in gone
    )


def test_each_service_gets_what_its_rules_cover(tmp_path: Path) -> None:
    found = react(tmp_path, "src/a.py", "src/page.html", "src/gone.py", gone=("gone.py",))
    assert found == [
        Reaction(
            service="api",
            copies=(
                (f"{tmp_path}/src/a.py", "/api/a.py"),
                (f"{tmp_path}/src/page.html", "/api/page.html"),
            ),
            removals=("/api/gone.py",),
        ),
        Reaction(service="web", copies=((f"{tmp_path}/src/a.py", "/app/a.py"),), removals=("/app/gone.py",)),
    ]


def test_a_rebuild_makes_everything_else_of_its_service_needless(tmp_path: Path) -> None:
    api, web = react(tmp_path, "lock", "src/a.py", "conf/x")
    assert api == Reaction(service="api", rebuilds=True)
    assert web.restarts
    assert [target for _, target in web.copies] == ["/app/a.py", "/conf/x"]


@pytest.mark.parametrize(
    "name", ["src/cache/a.py", "src/.a.py.swp", "src/a.py~", "src/secret/a.py", "src/.git/a.py", "other/a.py"]
)
def test_what_is_ignored_leads_to_nothing(tmp_path: Path, name: str) -> None:
    assert [each.service for each in react(tmp_path, name)] in ([], ["api"] if "cache" in name else [])


def test_what_is_mounted_is_not_synced_and_told(tmp_path: Path) -> None:
    project = load_text(tmp_path, TEXT)
    rules, notices = plan_rules(project, lambda patterns: lambda path: False, lambda service: [])
    assert [rule.trigger.target for rule in rules if rule.service == "web"] == ["/app", "/conf"]
    assert notices == [f"service web: {tmp_path}/data is mounted into the container, so it is not watched"]


def test_nothing_to_watch_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="none of the selected services is configured for watch"):
        react(tmp_path, text="services: {web: {image: x}}")


def test_only_the_outermost_paths_are_removed() -> None:
    assert list(outermost(["/a/b/c", "/a/b-c", "/a/b", "/z", "/a/b/c/d"])) == ["/a/b", "/a/b-c", "/z"]
