# SPDX-License-Identifier: Apache-2.0
"""The flags of `run` and `create`, in docker's words; `--host-ca` and `--on-unhealthy` are ours.

Values stay words here: what they mean is in `run_options`, so that a command line is read without loading it.
"""

from __future__ import annotations

from sampan.cli.flags import Flag, number, several, switch, text

_CGROUPNS = """Cgroup namespace to use (host|private)
'host':    Run the container in the Docker host's cgroup namespace
'private': Run the container in its own private cgroup namespace
'':        Use the cgroup namespace as configured by the
           default-cgroupns-mode option on the daemon (default)"""


def _duration(name: str, says: str) -> Flag:
    return text(name, f"{says} (ms|s|m|h)", shows="duration", shows_default="0s")


CONTAINER_FLAGS: tuple[Flag, ...] = (
    several("add-host", "Add a custom host-to-IP mapping (host:ip)"),
    several(
        "annotation",
        "Add an annotation to the container (passed through to the OCI runtime)",
        shows="map",
        shows_default="map[]",
    ),
    several("attach", "Attach to STDIN, STDOUT or STDERR", short="a"),
    number(
        "blkio-weight",
        "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
        shows="uint16",
    ),
    several(
        "blkio-weight-device", "Block IO weight (relative device weight)", shows="list", shows_default="[]"
    ),
    several("cap-add", "Add Linux capabilities"),
    several("cap-drop", "Drop Linux capabilities"),
    text("cgroup-parent", "Optional parent cgroup for the container"),
    text("cgroupns", _CGROUPNS),
    text("cidfile", "Write the container ID to the file"),
    number("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
    number("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    number("cpu-rt-period", "Limit CPU real-time period in microseconds"),
    number("cpu-rt-runtime", "Limit CPU real-time runtime in microseconds"),
    number("cpu-shares", "CPU shares (relative weight)", short="c"),
    text("cpus", "Number of CPUs", shows="decimal"),
    text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
    several("device", "Add a host device to the container"),
    several("device-cgroup-rule", "Add a rule to the cgroup allowed devices list"),
    several("device-read-bps", "Limit read rate (bytes per second) from a device", shows_default="[]"),
    several("device-read-iops", "Limit read rate (IO per second) from a device", shows_default="[]"),
    several("device-write-bps", "Limit write rate (bytes per second) to a device", shows_default="[]"),
    several("device-write-iops", "Limit write rate (IO per second) to a device", shows_default="[]"),
    several("dns", "Set custom DNS servers"),
    several("dns-option", "Set DNS options", also=("dns-opt",)),
    several("dns-search", "Set custom DNS search domains"),
    text("domainname", "Container NIS domain name"),
    text("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    several("env", "Set environment variables", short="e"),
    several("env-file", "Read in a file of environment variables"),
    several("expose", "Expose a port or a range of ports"),
    text("gpus", "GPU devices to add to the container ('all' to pass all GPUs)", shows="gpu-request"),
    several("group-add", "Add additional groups to join"),
    text("health-cmd", "Command to run to check health"),
    _duration("health-interval", "Time between running the check"),
    number("health-retries", "Consecutive failures needed to report unhealthy"),
    _duration("health-start-interval", "Time between running the check during the start period"),
    _duration(
        "health-start-period",
        "Start period for the container to initialize before starting health-retries countdown",
    ),
    _duration("health-timeout", "Maximum time to allow one check to run"),
    switch("host-ca", "Trust the host's certificate authorities inside the container"),
    text("hostname", "Container host name", short="h"),
    switch("init", "Run an init inside the container that forwards signals and reaps processes"),
    switch("interactive", "Keep STDIN open even if not attached", short="i"),
    text("ip", "IPv4 address (e.g., 172.30.100.104)"),
    text("ip6", "IPv6 address (e.g., 2001:db8::33)"),
    text("ipc", "IPC mode to use"),
    text("isolation", "Container isolation technology"),
    several("label", "Set meta data on a container", short="l"),
    several("label-file", "Read in a line delimited file of labels"),
    several("link", "Add link to another container"),
    several("link-local-ip", "Container IPv4/IPv6 link-local addresses"),
    text("log-driver", "Logging driver for the container"),
    several("log-opt", "Log driver options"),
    text("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    text("memory", "Memory limit", short="m", shows="bytes"),
    text("memory-reservation", "Memory soft limit", shows="bytes"),
    text(
        "memory-swap",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        shows="bytes",
    ),
    number("memory-swappiness", "Tune container memory swappiness (0 to 100)", default=-1),
    several("mount", "Attach a filesystem mount to the container", shows="mount"),
    text("name", "Assign a name to the container"),
    several("network", "Connect a container to a network", shows="network", also=("net",)),
    several("network-alias", "Add network-scoped alias for the container", also=("net-alias",)),
    switch("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    text("on-unhealthy", 'What to do when it becomes unhealthy ("none", "restart", "stop")', default="none"),
    switch("oom-kill-disable", "Disable OOM Killer"),
    number("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
    text("pid", "PID namespace to use"),
    number("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
    text("platform", "Set platform if server is multi-platform capable"),
    switch("privileged", "Give extended privileges to this container"),
    several("publish", "Publish a container's port(s) to the host", short="p"),
    switch("publish-all", "Publish all exposed ports to random ports", short="P"),
    switch("quiet", "Suppress the pull output", short="q"),
    switch("read-only", "Mount the container's root filesystem as read only"),
    text("restart", "Restart policy to apply when a container exits", default="no"),
    switch("rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
    text("runtime", "Runtime to use for this container"),
    several("security-opt", "Security Options"),
    text("shm-size", "Size of /dev/shm", shows="bytes"),
    text("stop-signal", "Signal to stop the container"),
    number("stop-timeout", "Timeout (in seconds) to stop a container"),
    several("storage-opt", "Storage driver options for the container"),
    several("sysctl", "Sysctl options", shows="map", shows_default="map[]"),
    several("tmpfs", "Mount a tmpfs directory"),
    switch("tty", "Allocate a pseudo-TTY", short="t"),
    several("ulimit", "Ulimit options", shows="ulimit", shows_default="[]"),
    text("user", "Username or UID (format: <name|uid>[:<group|gid>])", short="u"),
    text("userns", "User namespace to use"),
    text("uts", "UTS namespace to use"),
    several("volume", "Bind mount a volume", short="v"),
    text("volume-driver", "Optional volume driver for the container"),
    several("volumes-from", "Mount volumes from the specified container(s)"),
    text("workdir", "Working directory inside the container", short="w"),
)

RUN_FLAGS: tuple[Flag, ...] = (
    *CONTAINER_FLAGS,
    switch("detach", "Run container in background and print container ID", short="d"),
    text("detach-keys", "Override the key sequence for detaching a container"),
    text("pull", 'Pull image before running ("always", "missing", "never")', default="missing"),
    switch("sig-proxy", "Proxy received signals to the process", default=True),
)

CREATE_FLAGS: tuple[Flag, ...] = (
    *CONTAINER_FLAGS,
    text("pull", 'Pull image before creating ("always", "missing", "never")', default="missing"),
)
