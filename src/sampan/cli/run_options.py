# SPDX-License-Identifier: Apache-2.0
"""The flags of `run` and `create` as the body of the Engine API's ``POST /containers/create``.

Implements: docker/cli cli/command/container/opts.go; the same flags give the same document, less what is
empty in it, and the same conflicts are refused in the same words. Pure but for the files that flags name
(environment, labels, seccomp profile). What an engine does not support is for the engine to say.
"""

from __future__ import annotations

from sampan.cli.env import read_environment, read_labels, to_map
from sampan.cli.host_words import (
    parse_dns,
    parse_extra_host,
    parse_restart,
    parse_search,
    parse_sysctl,
    plan_capabilities,
)
from sampan.cli.mounts import plan_mounts, plan_tmpfs, plan_volumes
from sampan.cli.network_options import parse_link, parse_mac, plan_networks
from sampan.cli.ports import plan_ports
from sampan.cli.resource_options import plan_resources, present, read_size
from sampan.cli.security_options import plan_security
from sampan.cli.sizes import parse_duration, read_flag
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from sampan.cli.options import Options

    Fields: TypeAlias = dict[str, object]

HOST_CA_ANNOTATION = "io.sampan.host-ca"
ON_UNHEALTHY_ANNOTATION = "io.sampan.on-unhealthy"

_UNHEALTHY_ACTIONS = ("none", "restart", "stop")
_STREAMS = ("stdin", "stdout", "stderr")
_HEALTH_TIMES = {
    "health-interval": "Interval",
    "health-timeout": "Timeout",
    "health-start-period": "StartPeriod",
    "health-start-interval": "StartInterval",
}


class ContainerRequest:
    """What to send: the `document`, and the `name` and `platform` that go into the query."""

    __slots__ = ("auto_remove", "document", "image", "name", "platform", "streams", "tty")

    def __init__(self, options: Options, image: str, document: Fields, streams: frozenset[str]) -> None:
        self.name = options.text("name")
        self.platform = options.text("platform")
        self.image = image
        self.tty = options.switch("tty")
        self.auto_remove = options.switch("rm")
        self.streams = streams
        self.document = document


def plan_container(
    options: Options, image: str, words: Sequence[str], environ: Mapping[str, str]
) -> ContainerRequest:
    """The request that creates this container."""
    _check_conflicts(options)
    streams = attached_streams(options)
    exposed, bindings = plan_ports(options.several("publish"), options.several("expose"))
    binds, anonymous = plan_volumes(options.several("volume"))
    mode, endpoints = plan_networks(options)
    document = _config(options, image, words, environ, streams)
    document |= present(ExposedPorts=exposed, Volumes=anonymous)
    document["HostConfig"] = _host_config(options, mode) | present(Binds=binds, PortBindings=bindings)
    document["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    return ContainerRequest(options, image, document, streams)


def attached_streams(options: Options) -> frozenset[str]:
    """The streams to attach: those of ``-a``, else both outputs; ``-i`` adds stdin. None when detached."""
    named = [read_flag("-a, --attach", word, _stream) for word in options.several("attach")]
    if _is_detached(options):
        return frozenset()
    streams = set(named or ("stdout", "stderr"))
    if options.switch("interactive"):
        streams.add("stdin")
    return frozenset(streams)


def _stream(word: str) -> str:
    if word.lower() not in _STREAMS:
        raise InvalidArgument("valid streams are STDIN, STDOUT and STDERR")
    return word.lower()


def _is_detached(options: Options) -> bool:
    return options.given("detach") and options.switch("detach")


def _check_conflicts(options: Options) -> None:
    policy = options.text("restart").partition(":")[0]
    if options.switch("rm") and policy not in ("", "no"):
        raise InvalidArgument("conflicting options: cannot specify both --restart and --rm")
    if options.text("mac-address"):
        parse_mac(options.text("mac-address"))
    swappiness = options.number("memory-swappiness")
    if swappiness != -1 and not 0 <= swappiness <= 100:
        raise InvalidArgument(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    for flag, what in (("pid", "PID"), ("ipc", "IPC")):
        if options.text(flag).startswith("container:") and not options.text(flag).partition(":")[2]:
            raise InvalidArgument(f"--{flag}: invalid {what} mode")
    for flag, modes, what in (
        ("uts", ("", "host"), "UTS"),
        ("userns", ("", "host"), "USER"),
        ("cgroupns", ("", "host", "private"), "CGROUP"),
    ):
        if options.text(flag) not in modes:
            raise InvalidArgument(f"--{flag}: invalid {what} mode")
    if options.text("pid") not in ("", "host") and not options.text("pid").startswith("container:"):
        raise InvalidArgument("--pid: invalid PID mode")


# Config: what would be kept in an image


def _config(
    options: Options, image: str, words: Sequence[str], environ: Mapping[str, str], streams: frozenset[str]
) -> Fields:
    interactive = options.switch("interactive")
    config: Fields = {"Image": image} | present(
        Hostname=options.text("hostname"),
        Domainname=options.text("domainname"),
        User=options.text("user"),
        AttachStdin="stdin" in streams,
        AttachStdout="stdout" in streams,
        AttachStderr="stderr" in streams,
        Tty=options.switch("tty"),
        OpenStdin=interactive,
        StdinOnce=interactive and "stdin" in streams,
        Env=read_environment(options.several("env-file"), options.several("env"), environ),
        Cmd=list(words),
        Healthcheck=_healthcheck(options),
        WorkingDir=options.text("workdir"),
        Labels=read_labels(options.several("label-file"), options.several("label")),
        StopSignal=options.text("stop-signal"),
    )
    if options.given("entrypoint"):
        # An empty one resets the image's entry point.
        config["Entrypoint"] = [options.text("entrypoint")]
    if options.given("stop-timeout"):
        config["StopTimeout"] = options.number("stop-timeout")
    return config


def _healthcheck(options: Options) -> Fields:
    command, retries = options.text("health-cmd"), options.number("health-retries")
    times = {
        key: read_flag(f"--{flag}", options.text(flag), parse_duration)
        for flag, key in _HEALTH_TIMES.items()
        if options.text(flag)
    }
    if options.switch("no-healthcheck"):
        if command or retries or any(times.values()):
            raise InvalidArgument("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    for flag, key in _HEALTH_TIMES.items():
        if times.get(key, 0) < 0:
            raise InvalidArgument(f"--{flag} cannot be negative")
    if retries < 0:
        raise InvalidArgument("--health-retries cannot be negative")
    return present(Test=["CMD-SHELL", command] if command else [], Retries=retries, **times)


# HostConfig: what belongs to this machine


def _host_config(options: Options, network_mode: str) -> Fields:
    added, dropped = plan_capabilities(options.several("cap-add"), options.several("cap-drop"))
    security, unmasked = plan_security(options.several("security-opt"))
    host: Fields = {"NetworkMode": network_mode} | present(
        ContainerIDFile=options.text("cidfile"),
        LogConfig=_log_config(options),
        RestartPolicy=parse_restart(options.text("restart")),
        AutoRemove=options.switch("rm"),
        VolumeDriver=options.text("volume-driver"),
        VolumesFrom=options.several("volumes-from"),
        Mounts=plan_mounts(options.several("mount")),
        Tmpfs=plan_tmpfs(options.several("tmpfs")),
        Annotations=_annotations(options),
        CapAdd=added,
        CapDrop=dropped,
        CgroupnsMode=options.text("cgroupns"),
        Dns=[read_flag("--dns", word, parse_dns) for word in options.several("dns")],
        DnsOptions=options.several("dns-option"),
        DnsSearch=[read_flag("--dns-search", word, parse_search) for word in options.several("dns-search")],
        ExtraHosts=[read_flag("--add-host", word, parse_extra_host) for word in options.several("add-host")],
        GroupAdd=options.several("group-add"),
        IpcMode=options.text("ipc"),
        Links=[read_flag("--link", word, parse_link) and word for word in options.several("link")],
        OomScoreAdj=options.number("oom-score-adj"),
        PidMode=options.text("pid"),
        Privileged=options.switch("privileged"),
        PublishAllPorts=options.switch("publish-all"),
        ReadonlyRootfs=options.switch("read-only"),
        SecurityOpt=security,
        StorageOpt=_storage_options(options),
        UTSMode=options.text("uts"),
        UsernsMode=options.text("userns"),
        ShmSize=read_size(options, "shm-size"),
        Sysctls=_sysctls(options),
        Runtime=options.text("runtime"),
        Isolation=options.text("isolation"),
    )
    if unmasked:
        host |= {"MaskedPaths": [], "ReadonlyPaths": []}
    if options.given("init"):
        host["Init"] = options.switch("init")
    return host | plan_resources(options)


def _log_config(options: Options) -> Fields:
    driver, words = options.text("log-driver"), options.several("log-opt")
    if driver == "none" and words:
        raise InvalidArgument(f"invalid logging opts for driver {driver}")
    return present(Type=driver, Config=to_map(words))


def _storage_options(options: Options) -> dict[str, str]:
    for word in options.several("storage-opt"):
        if "=" not in word:
            raise InvalidArgument("invalid storage option")
    return to_map(options.several("storage-opt"))


def _sysctls(options: Options) -> dict[str, str]:
    return to_map(read_flag("--sysctl", word, parse_sysctl) for word in options.several("sysctl"))


def _annotations(options: Options) -> dict[str, str]:
    annotations = to_map(options.several("annotation"))
    if options.switch("host-ca"):
        annotations[HOST_CA_ANNOTATION] = "true"
    if options.given("on-unhealthy"):
        annotations[ON_UNHEALTHY_ANNOTATION] = read_flag(
            "--on-unhealthy", options.text("on-unhealthy"), _unhealthy_action
        )
    return annotations


def _unhealthy_action(word: str) -> str:
    if word not in _UNHEALTHY_ACTIONS:
        raise InvalidArgument("use none, restart or stop")
    return word
