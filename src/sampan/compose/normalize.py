# SPDX-License-Identifier: Apache-2.0
"""What a project has implicitly: the network ``default``, names, dependencies that other keys imply."""

from __future__ import annotations

from collections.abc import Mapping

from sampan.compose.defaults import iter_tables
from sampan.compose.merging import new_dependency
from sampan.compose.tree import Series, Table, Value
from sampan.compose.volume_spec import clean_path

_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")


def normalize(tree: Table, environment: Mapping[str, str]) -> None:
    """Complete a canonical tree, whose ``name`` is the project's, in place."""
    _add_default_network(tree)
    for service in iter_tables(tree.get("services")):
        _normalize_service(service, environment)
    for section in ("networks", "volumes", "configs", "secrets"):
        _name_resources(tree, section)


def _normalize_service(service: Table, environment: Mapping[str, str]) -> None:
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if isinstance(build, Table):
        if build.get("context") is None:
            build["context"] = "."
        if build.get("dockerfile") is None and build.get("dockerfile_inline") is None:
            build["dockerfile"] = "Dockerfile"
        if "args" in build:
            build["args"] = fill_in(build["args"], environment, keep_unset=False)
    if "environment" in service:
        service["environment"] = fill_in(service["environment"], environment, keep_unset=True)
    for volume in iter_tables(service.get("volumes")):
        if isinstance(volume.get("target"), str):
            volume["target"] = clean_path(volume["target"])
    _add_implied_dependencies(service)


def _add_implied_dependencies(service: Table) -> None:
    needs = service.get("depends_on")
    if not isinstance(needs, Table):
        needs = Table(mark=service.mark)
    for name, restart in _implied(service):
        if name not in needs:
            needs[name] = Table([*new_dependency().items(), ("restart", restart)])
    if needs:
        service["depends_on"] = needs


def _implied(service: Table) -> list[tuple[str, bool]]:
    implied = [(_before_colon(link), True) for link in service.get("links") or ()]
    for key in _NAMESPACES:
        mode = service.get(key)
        if isinstance(mode, str) and mode.startswith("service:"):
            implied.append((mode.removeprefix("service:"), True))
    sources = service.get("volumes_from") or ()
    return implied + [(_before_colon(name), False) for name in sources if not name.startswith("container:")]


def _before_colon(text: str) -> str:
    return text.partition(":")[0]


def _add_default_network(tree: Table) -> None:
    used = False
    for service in iter_tables(tree.get("services")):
        if "provider" in service or "network_mode" in service:
            continue
        if not service.get("networks"):
            service["networks"] = Table([("default", None)], mark=service.mark)
        used = used or "default" in service["networks"]
    networks = tree.get("networks")
    if used and (not isinstance(networks, Table) or "default" not in networks):
        if not isinstance(networks, Table):
            networks = Table(mark=tree.mark)
            tree["networks"] = networks
        networks["default"] = None


def _name_resources(tree: Table, section: str) -> None:
    resources = tree.get(section)
    if not isinstance(resources, Table):
        return
    for key, resource in list(resources.items()):
        if resource is None:
            resource = Table(mark=resources.mark_of(key))
            resources[key] = resource
        if resource.get("name") is None:
            resource["name"] = key if resource.get("external") is True else f"{tree.get('name')}_{key}"


def fill_in(value: Value, environment: Mapping[str, str], *, keep_unset: bool) -> Value:
    """Give names without a value the one that the environment has; without one they stay, or go."""
    if isinstance(value, Table):
        filled = Table(mark=value.mark)
        for key, item in value.items():
            found = environment.get(key) if item is None else item
            if found is not None or keep_unset:
                filled.put(key, found, value.mark_of(key))
        return filled
    if not isinstance(value, Series):
        return value
    series = Series(mark=value.mark)
    for item, mark in value.iter_marked():
        if "=" in item:
            series.add(item, mark)
        elif item in environment:
            series.add(f"{item}={environment[item]}", mark)
        elif keep_unset:
            series.add(item, mark)
    return series
