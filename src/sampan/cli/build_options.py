# SPDX-License-Identifier: Apache-2.0
"""The flags of `build` as the Engine API's ``POST /build``: a query, and secrets in a header.

Implements: docker buildx build, as far as one engine that builds for itself can do it; what it cannot do is
refused by name rather than left out in silence. Pure, but for the files that ``--secret`` names.
"""

from __future__ import annotations

import os
import stat

from sampan.cli.build_dates import EPOCH, plan_reproducible
from sampan.cli.build_output import plan_outputs
from sampan.cli.env import read_labels
from sampan.cli.flags import several, switch, text
from sampan.cli.host_words import parse_extra_host
from sampan.cli.mounts import split_csv
from sampan.cli.sizes import parse_ulimit, read_flag
from sampan.client.attestations import format_attestations
from sampan.client.contexts import format_secrets
from sampan.client.jsontext import encode_json
from sampan.client.sizes import parse_size
from sampan.errors import InvalidArgument, NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from sampan.cli.build_output import Output
    from sampan.cli.options import Options
    from sampan.client.query import Parameter

    Query: TypeAlias = dict[str, Parameter]

_ENTITLEMENTS = ("network.host", "security.insecure")
_PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")

FLAGS = (
    several("add-host", 'Add a custom host-to-IP mapping (format: "host:ip")', shows="strings"),
    several(
        "allow",
        'Allow extra privileged entitlement ("network.host", "security.insecure"); none is held back',
        shows="stringArray",
    ),
    several("annotation", "Add annotation to the image", shows="stringArray"),
    several("attest", 'Attestation parameters (format: "type=sbom")', shows="stringArray"),
    several("build-arg", "Set build-time variables", shows="stringArray"),
    several("build-context", "Additional build contexts (e.g., name=path)", shows="stringArray"),
    text("builder", "Override the configured builder instance; there is one, default"),
    several(
        "cache-from",
        'External cache sources (e.g., "user/app:cache", "type=local,src=path/to/dir")',
        shows="stringArray",
    ),
    several(
        "cache-to",
        'Cache export destinations (e.g., "user/app:cache", "type=local,dest=path/to/dir")',
        shows="stringArray",
    ),
    text("call", 'Set method for evaluating build ("check", "outline", "targets")', default="build"),
    text("cgroup-parent", 'Set the parent cgroup for the "RUN" instructions during build'),
    switch("check", 'Shorthand for "--call=check"'),
    switch("debug", "Enable debug logging; the engine has its own", short="D"),
    switch("explain-context", "Say what of the context is sent, and which lines of .dockerignore decided"),
    text("file", 'Name of the Dockerfile (default: "PATH/Dockerfile")', short="f"),
    switch("host-ca", "Trust the host's certificate authorities during RUN, leaving no trace in the image"),
    text("format", 'Format of what --call and --explain-context print ("text", "json")', default="text"),
    text("iidfile", "Write the image ID to a file"),
    several("label", "Set metadata for an image", shows="stringArray"),
    switch("load", 'Shorthand for "--output=type=docker"'),
    text("metadata-file", "Write build result metadata to a file"),
    text("network", 'Set the networking mode for the "RUN" instructions during build', default="default"),
    switch("no-cache", "Do not use cache when building the image"),
    several("no-cache-filter", "Do not cache specified stages", shows="stringArray"),
    several("output", 'Output destination (format: "type=local,dest=path")', short="o", shows="stringArray"),
    several("platform", "Set target platform for build", shows="stringArray"),
    text("progress", 'Set type of progress output ("auto", "plain", "quiet", "rawjson", "tty")'),
    text("provenance", 'Shorthand for "--attest=type=provenance"'),
    switch("pull", "Always attempt to pull all referenced images"),
    switch("push", 'Shorthand for "--output=type=registry"'),
    switch("quiet", "Suppress the build output and print image ID on success", short="q"),
    text(
        "reproducible",
        "Let equal inputs give equal digests: dated by SOURCE_DATE_EPOCH, the git commit or the newest file"
        ' ("true", "check": run every step twice)',
        implied="true",
    ),
    text("sbom", 'Shorthand for "--attest=type=sbom"'),
    several(
        "secret",
        'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")',
        shows="stringArray",
    ),
    text("shm-size", "Shared memory size for build containers", shows="bytes"),
    several(
        "ssh",
        'SSH agent socket to expose to the build (format: "default|<id>[=<socket>]")',
        shows="stringArray",
    ),
    several("tag", 'Name and optionally a tag (format: "name:tag")', short="t", shows="stringArray"),
    text("target", "Set the target build stage to build"),
    several("ulimit", "Ulimit options", shows="ulimit", shows_default="[]"),
    # The classic builder's, which scripts still give; intermediate containers do not outlive a step here.
    switch("rm", "", default=True, hidden=True),
    switch("force-rm", "", hidden=True),
    switch("compress", "", hidden=True),
)


def check_builder(options: Options) -> None:
    """Refuse what names something that is not there: another builder, an entitlement of no meaning."""
    if (builder := options.text("builder")) not in ("", "default"):
        raise NotFound(f'no builder "{builder}" found', hint="there is one builder, the engine's: default")
    for word in options.several("allow"):
        if word.partition("=")[0] not in _ENTITLEMENTS:
            raise InvalidArgument(f"invalid entitlement: {word}", hint=f"use {' or '.join(_ENTITLEMENTS)}")


def plan_query(options: Options, environ: Mapping[str, str]) -> Query:
    """Everything but the context."""
    check_builder(options)
    outputs = [{"type": output.kind, "attrs": output.attrs} for output in read_outputs(options)]
    query: Query = {
        "sampan.call": plan_call(options) or None,
        "sampan.progress": True,
        "sampan.output": encode_json(outputs).decode() if outputs else None,
        "t": options.several("tag"),
        "target": options.text("target") or None,
        "nocache": options.switch("no-cache"),
        "pull": options.switch("pull"),
        "networkmode": options.text("network"),
        "extrahosts": [
            read_flag("--add-host", word, parse_extra_host) for word in options.several("add-host")
        ],
        "cgroupparent": options.text("cgroup-parent") or None,
        "sampan.cache-to": [plan_cache(word, "dest") for word in options.several("cache-to")],
        "sampan.no-cache-filter": [
            name for word in options.several("no-cache-filter") for name in word.split(",")
        ],
        "platform": ",".join(options.several("platform")) or None,
        "rm": True,
        "sampan.ssh": plan_agents(options.several("ssh"), environ),
        "sampan.named-context": [plan_named_context(word) for word in options.several("build-context")],
    }
    query["sampan.attest"] = format_attestations(
        options.several("attest"), provenance=options.text("provenance"), sbom=options.text("sbom")
    )
    query["sampan.reproducible"] = plan_reproducible(options)
    if options.given("shm-size"):
        query["shmsize"] = read_flag("--shm-size", options.text("shm-size"), parse_size)
    if options.given("host-ca"):
        query["sampan.host-ca"] = "1" if options.switch("host-ca") else "0"
    for name, value in (
        ("buildargs", plan_arguments(options.several("build-arg"), environ)),
        ("labels", read_labels((), options.several("label"))),
        ("cachefrom", [plan_cache(word, "src") for word in options.several("cache-from")]),
        ("ulimits", [read_flag("--ulimit", word, parse_ulimit) for word in options.several("ulimit")]),
    ):
        if value:
            query[name] = encode_json(value).decode()
    return query


def read_outputs(options: Options) -> list[Output]:
    """All outputs that the flags ask for."""
    return plan_outputs(
        options.several("output"),
        push=options.switch("push"),
        load=options.switch("load"),
        annotations=options.several("annotation"),
    )


def plan_call(options: Options) -> str:
    """What is asked about the Dockerfile instead of a build; "" where one is wanted."""
    method, *words = options.text("call").split(",")
    if options.switch("explain-context"):
        method = "explain-context"
    elif options.switch("check"):
        method = "check"
    if any(word != "format=json" for word in words):
        raise InvalidArgument(f"invalid call {options.text('call')}: expected METHOD[,format=json]")
    return "" if method in ("", "build") else method


def wants_json(options: Options) -> bool:
    """Whether the answer of a call is for a program: ``--format json``, or ``--call METHOD,format=json``."""
    if options.text("format") not in ("text", "json"):
        raise InvalidArgument(f"--format {options.text('format')}: text or json is supported")
    return options.text("format") == "json" or ",format=json" in options.text("call")


def plan_cache(word: str, key: str) -> str:
    """A cache with the whole path of a folder: the engine may stand in another one."""
    if "=" not in word:
        return word
    fields = [field.partition("=") for field in split_csv(word)]
    whole = [(name, os.path.abspath(value) if name == key and value else value) for name, _, value in fields]
    if any("," in value or '"' in value for _, value in whole):
        raise Unsupported(f"{word}: commas and quotes in a cache's path are not supported")
    return ",".join(f"{name}={value}" for name, value in whole)


def plan_agents(words: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """``--ssh NAME[=SOCKET]`` as NAME=SOCKET; without one it is the agent of the environment."""
    agents = []
    for word in words:
        name, _, path = word.partition("=")
        path = path or environ.get("SSH_AUTH_SOCK", "")
        if not path:
            raise InvalidArgument(
                f"--ssh {word}: there is no agent", hint="start one, and see that SSH_AUTH_SOCK is set"
            )
        if "," in path or not stat.S_ISSOCK(_mode(path)):
            raise Unsupported(f"--ssh {word}: {path} is no agent's socket; keys are not supported yet")
        agents.append(f"{name}={os.path.abspath(path)}")
    return agents


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError as error:
        raise InvalidArgument(f"--ssh: {path}: {os.strerror(error.errno or 0)}") from None


def plan_arguments(words: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Build arguments: a name alone takes the client's value; the client's proxies and epoch go along unasked."""
    arguments: dict[str, str] = {}
    for name in _PROXY_NAMES:
        for spelling in (name, name.lower()):
            if environ.get(spelling):
                arguments[spelling] = environ[spelling]
    if environ.get(EPOCH):
        arguments[EPOCH] = environ[EPOCH]
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise InvalidArgument(f"invalid build argument {word}: empty name")
        if equals or name in environ:
            arguments[name] = value if equals else environ[name]
    return arguments


def plan_named_context(word: str) -> str:
    """``NAME=docker-image://REF`` as it is, ``NAME=FOLDER`` with the folder's whole path."""
    name, equals, value = word.partition("=")
    if not name or not equals or not value:
        raise InvalidArgument(f"invalid context value: {word}, expected key=value")
    if value.startswith("docker-image://"):
        return word
    if "://" in value or value.startswith("git@"):
        raise Unsupported(f"--build-context {word}: only docker-image:// and folders are supported yet")
    if not os.path.isdir(value):
        raise InvalidArgument(f"--build-context {word}: {value} is not a folder")
    return f"{name}={os.path.realpath(value)}"


def plan_secrets(words: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The header that carries the secrets, whose values are read here; none without secrets."""
    return format_secrets(dict(_read_secret(word, environ) for word in words))


def _read_secret(word: str, environ: Mapping[str, str]) -> tuple[str, bytes]:
    """``id=X,src=FILE``, ``id=X,env=VARIABLE``, or ``id=X`` for the variable or file of that name."""
    fields = _secret_fields(word)
    name, source, variable = fields.get("id", ""), fields.get("src", ""), fields.get("env", "")
    kind = fields.get("type", "")
    if kind not in ("", "file", "env"):
        raise InvalidArgument(f'unsupported secret type "{kind}"')
    if kind == "env" and not variable:
        source, variable = "", source
    if not name:
        name = os.path.basename(source) or variable
    if not name:
        raise InvalidArgument(f"invalid secret {word}: no id")
    if not source and not variable:
        variable, source = (name, "") if name in environ else ("", name)
    if variable:
        if variable not in environ:
            raise InvalidArgument(f"secret {name}: environment variable {variable} is not set")
        return name, environ[variable].encode(errors="surrogateescape")
    return name, _read_secret_file(name, source)


def _secret_fields(word: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for field in split_csv(word):
        key, equals, value = field.partition("=")
        key = {"source": "src"}.get(key.lower(), key.lower())
        if not equals:
            raise InvalidArgument(f"invalid field '{field}' must be a key=value pair")
        if key not in ("id", "src", "env", "type"):
            raise InvalidArgument(f"unexpected key '{key}' in '{field}'")
        fields[key] = value
    return fields


def _read_secret_file(name: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"secret {name}: failed to read {path}: {reason}") from error
