# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from compose_cases import load_text
from sampan.compose.errors import ComposeError

SERVICE = "services:\n  web:\n    image: busybox\n"
CASES = {
    "an unknown key": (
        SERVICE + "    imagee: x\n",
        'compose.yaml:4: services.web: unknown key "imagee"',
    ),
    "a wrong kind": (
        SERVICE + "    ports: 80\n",
        "compose.yaml:4: services.web.ports: must be a list, not 80",
    ),
    "a wrong item": (
        SERVICE + "    ports:\n      - 80\n      - [81]\n",
        "compose.yaml:6: services.web.ports[1]: must be a number, a string or a mapping, not a list",
    ),
    "a port": (
        SERVICE + "    ports:\n      - '80'\n      - '70000:80'\n",
        "compose.yaml:6: services.web.ports[1]: invalid hostPort: 70000",
    ),
    "a volume": (
        SERVICE + "    volumes:\n      - 'one:two:ro:four'\n",
        "compose.yaml:5: services.web.volumes[0]: invalid spec: one:two:ro:four: too many colons",
    ),
    "a value out of bounds": (
        SERVICE + "    oom_score_adj: 2000\n",
        "compose.yaml:4: services.web.oom_score_adj: must be at least -1000 and at most 1000, not 2000",
    ),
    "a word that is not of the list": (
        SERVICE + "    cgroup: shared\n",
        'compose.yaml:4: services.web.cgroup: "shared" is not one of host, private',
    ),
    "a key twice": (
        SERVICE + "    image: other\n",
        'compose.yaml:4: services.web: mapping key "image" already defined at line 3',
    ),
    "bad indentation": (SERVICE + "   image: other\n", "compose.yaml:4: yaml: did not find expected key"),
    "an unknown anchor": (
        SERVICE + "    labels: *nothing\n",
        "compose.yaml:4: yaml: unknown anchor 'nothing' referenced",
    ),
    "an anchor in itself": (
        "x-a: &a\n  b: *a\n" + SERVICE,
        "compose.yaml:2: cycle detected: anchor 'a' contains itself",
    ),
    "a key that is no text": (
        SERVICE + "    environment: {1: a}\n",
        "compose.yaml:4: services.web.environment: non-string key here: 1",
    ),
    "a boolean": (
        SERVICE + "    privileged: ${NOTHING:-maybe}\n",
        'compose.yaml:4: services.web.privileged: "maybe" is not a boolean: use true or false',
    ),
    "a duration": (
        SERVICE + "    stop_grace_period: soon\n",
        'compose.yaml:4: services.web.stop_grace_period: "soon" is not a duration',
    ),
    "a size": (
        SERVICE + "    mem_limit: 1zb\n",
        "compose.yaml:4: services.web.mem_limit: invalid suffix: 'zb'",
    ),
    "a template": (
        SERVICE + "    user: ${}\n",
        "compose.yaml:4: services.web.user: invalid interpolation format: '${}'",
    ),
    "a required variable": (
        SERVICE + "    user: ${WHO:?say who}\n",
        "compose.yaml:4: services.web.user: required variable WHO is missing a value: say who",
    ),
    "an undefined network": (
        SERVICE + "    networks:\n      - a\n      - b\nnetworks: {a: }\n",
        "compose.yaml:6: services.web.networks.b: refers to undefined network b",
    ),
    "an undefined volume": (
        SERVICE + "    volumes: ['data:/data']\n",
        "compose.yaml:4: services.web.volumes[0]: refers to undefined volume data",
    ),
    "an undefined secret": (
        SERVICE + "    secrets: [s]\n",
        "compose.yaml:4: services.web.secrets[0]: refers to undefined secret s",
    ),
    "an undefined service": (
        SERVICE + "    depends_on:\n      db: {condition: service_healthy}\n",
        'compose.yaml:5: services.web.depends_on.db: depends on undefined service "db"',
    ),
    "a circle": (
        SERVICE + "    depends_on: [db]\n  db:\n    image: b\n    depends_on: [web]\n",
        "compose.yaml:7: services.db.depends_on.web: dependency cycle detected: db -> web -> db",
    ),
    "neither image nor build": (
        "services:\n  web:\n    command: x\n",
        "compose.yaml:2: services.web: has neither an image nor a build context specified",
    ),
    "a name for several containers": (
        SERVICE + "    container_name: one\n    scale: 2\n",
        "compose.yaml:5: services.web.scale: can't set container_name and scale as container name must be unique",
    ),
    "two limits": (
        SERVICE + "    mem_limit: 1g\n    deploy: {resources: {limits: {memory: 2g}}}\n",
        (
            "compose.yaml:4: services.web.mem_limit: "
            "can't set distinct values on 'mem_limit' and 'deploy.resources.limits.memory'"
        ),
    ),
    "a target twice": (
        SERVICE + "    tmpfs: /a\n    volumes: ['/b', {type: tmpfs, target: /a}]\n",
        "compose.yaml:5: services.web.volumes[1]: target /a already mounted as tmpfs[0]",
    ),
    "a missing env_file": (
        SERVICE + "    env_file: gone.env\n",
        "compose.yaml:4: services.web.env_file[0]: env file ",
    ),
    "a model": (
        SERVICE + "models:\n  m: {model: x}\n",
        "compose.yaml:4: models: not supported: language models need Docker Model Runner",
    ),
    "a provider": (
        "services:\n  web:\n    provider: {type: x}\n",
        "compose.yaml:3: services.web.provider: not supported: external providers are programs of Docker's",
    ),
    "an extended service that is not there": (
        "services:\n  web:\n    extends: base\n",
        'compose.yaml:3: services.web.extends: service "base" not found',
    ),
    "a circle of extends": (
        "services:\n  a:\n    extends: b\n  b:\n    extends: a\n",
        "compose.yaml:3: services.a.extends: circular reference",
    ),
    "a file that is included and not there": ("include: [gone.yaml]\n", "open "),
    "an include of itself": (
        "include: [compose.yaml]\n",
        "compose.yaml:1: include[0]: include cycle detected: compose.yaml, which includes compose.yaml",
    ),
    "a project from elsewhere": (
        "include:\n  - git@example.test:x.git\n",
        'compose.yaml:2: include[0]: not supported: compose files from elsewhere: "git@example.test:x.git"',
    ),
    "an extended file from elsewhere": (
        "services:\n  web:\n    extends: {file: 'oci://x', service: a}\n",
        'compose.yaml:3: services.web.extends: not supported: compose files from elsewhere: "oci://x"',
    ),
    "a list at the top": ("- a\n", "compose.yaml:1: top-level object must be a mapping"),
    "nothing": ("", "compose.yaml:1: empty compose file"),
    "a service's name": (
        "services:\n  'a b': {image: x}\n",
        'compose.yaml:2: services: unknown key "a b": a name has only letters, digits, ".", "_" and "-"',
    ),
    "an external volume with more": (
        SERVICE + "volumes:\n  v: {external: true, driver: local}\n",
        'compose.yaml:5: volumes.v: conflicting parameters "external" and "driver" specified',
    ),
    "a config without a source": (
        SERVICE + "configs:\n  c: {name: x}\n",
        "compose.yaml:5: configs.c: one of file, environment, content must be set",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_error_names_file_line_and_path(name: str, tmp_path: Path) -> None:
    text, message = CASES[name]
    with pytest.raises(ComposeError) as caught:
        load_text(tmp_path, text)
    assert caught.value.message.startswith(message), caught.value.message


def test_a_spelling_mistake_has_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ComposeError) as caught:
        load_text(tmp_path, SERVICE + "    comand: x\n")
    assert caught.value.hint == 'did you mean "command"?'


def test_an_error_in_another_file_names_that_one(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("services:\n  base:\n    image: x\n    cpus: many\n")
    with pytest.raises(ComposeError) as caught:
        load_text(tmp_path, "services:\n  web:\n    extends: {file: base.yaml, service: base}\n")
    assert caught.value.message == 'base.yaml:4: services.base.cpus: "many" is not a number'


def test_a_value_that_a_second_file_gives_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "compose.override.yaml").write_text("services:\n\n  web:\n    networks: [gone]\n")
    with pytest.raises(ComposeError) as caught:
        load_text(tmp_path, SERVICE)
    assert caught.value.message == (
        "compose.override.yaml:4: services.web.networks.gone: refers to undefined network gone"
    )
