# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a table has a command a line
"""A day with the docker command line: a table of what people type, and what Docker answers.

Each check is a few commands on one engine, where `box` runs with all that can be asked about, `web` serves a page,
and `done` has ended with 3. A step says its exit code and what its output must look like (a regular expression, on
stderr if the step fails). The docker command line alone is used, as it comes.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from integration.engine_process import EngineProcess, wait_until

HEX = r"[0-9a-f]{64}"
SHORT = r"[0-9a-f]{12}"
BOX = (
    "run -d --name box --hostname boxhost --label role=box --log-opt labels=role --log-opt env=MODE "
    "-e MODE=test -m 64m --cpus 0.5 --restart unless-stopped -v kept:/kept --network-alias crate --network net1 "
    "--stop-signal SIGKILL busybox sh -c 'echo one; echo two; echo bad >&2; exec sleep 1000'"
)
WEB = (
    "run -d --name web --label role=web -p 127.0.0.1::8000 --health-cmd true --health-interval 60s --health-start-period 9s --health-start-interval 50ms "
    "--stop-signal SIGKILL busybox sh -c 'echo page > /index.html; exec httpd -f -p 8000 -h /'"
)
DOCKERFILE = (
    'FROM busybox AS first\nRUN echo {word} > /said\nFROM first\nLABEL by=hand\nCMD ["cat", "/said"]\n'
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command line, the words that its output must hold, and how it must end."""

    command: str
    words: str = ""
    code: int = 0
    input: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def fails(command: str, words: str, code: int = 1, **more: str) -> Step:
    return Step(command, words, code, **more)


CHECKS: dict[str, list[Step]] = {
    # --- run
    "run prints what the program prints": [Step("run --rm busybox echo hi", r"\Ahi\n\Z")],
    "run ends as the program ends": [Step("run --rm busybox sh -c 'exit 42'", code=42)],
    "run -d prints the id": [Step("run -d --rm busybox true", rf"\A{HEX}\n\Z")],
    "run of no program is 127": [
        fails("run --rm busybox nosuch", r'exec: "nosuch": executable file not found in \$PATH', 127)
    ],
    "run of a folder is 126": [fails("run --rm busybox /etc", r"permission denied|is a directory", 126)],
    "run of a missing image is 125": [
        fails("run --rm --pull never none:9", r"No such image: none:9", 125),
    ],
    "run of a taken name is 125": [
        fails(
            "run --name box busybox",
            rf'Conflict\. The container name "/box" is already in use by container "{HEX}"\. '
            r"You have to remove \(or rename\) that container to be able to reuse that name\.",
            125,
        )
    ],
    "run -i passes stdin on": [Step("run --rm -i busybox wc -c", r"\A5\n", input="five\n")],
    "run -e and --env-file": [
        Step("run --rm -e A=1 -e NONE --env-file env busybox sh -c 'echo $A $B ${NONE-unset}'", "1 2 unset")
    ],
    "run -w -u -h": [
        Step("run --rm -w /tmp -u user -h abc busybox sh -c 'pwd; id -un; hostname'", "/tmp\nuser\nabc")
    ],
    "run with a user that is not there": [
        fails("run --rm -u nobody9 busybox", "unable to find user nobody9: no matching entries in passwd file", 125)
    ],
    "run --entrypoint": [Step("run --rm --entrypoint echo busybox -n over", r"\Aover\Z")],
    "run --read-only and --tmpfs": [
        Step("run --rm --read-only --tmpfs /t:size=1m busybox sh -c 'echo x > /t/x; touch /x || echo no'", "no")
    ],
    "run -v of a folder, read-only": [
        Step("run --rm -v $PWD:/in:ro busybox cat /in/env", "B=2"),
        fails("run --rm -v $PWD:/in:ro busybox touch /in/x", "Read-only file system"),
    ],
    "run --mount of a folder that is not there": [
        fails(
            "run --rm --mount type=bind,src=/nowhere9,dst=/x busybox",
            r'invalid mount config for type "bind": bind source path does not exist: /nowhere9',
            125,
        )
    ],
    "run --init is before the program": [Step("run --rm --init busybox sh -c 'kill -0 1 && echo $$'", r"\A[2-9]\d*\n")],
    "run -m is the limit": [
        Step("run --rm -m 32m busybox cat /sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432")
    ],
    "run --network none": [Step("run --rm --network none busybox ls /sys/class/net", r"\Alo\n\Z")],
    "run --network of none such": [
        fails("run --rm --network nowhere busybox", "network nowhere not found", 125)
    ],
    "run --add-host and --dns": [
        Step("run --rm --add-host a.b:1.2.3.4 --dns 9.9.9.9 busybox cat /etc/hosts /etc/resolv.conf",
             r"1\.2\.3\.4\s+a\.b\n(.|\n)*nameserver 9\.9\.9\.9")
    ],
    "run --cap-drop and --cap-add": [
        Step("run --rm --cap-drop all --cap-add chown busybox grep CapEff /proc/self/status", "0000000000000001")
    ],
    "run --ulimit and --sysctl": [
        Step("run --rm --ulimit nofile=99:99 --sysctl net.ipv4.ip_forward=1 busybox "
             "sh -c 'ulimit -n; cat /proc/sys/net/ipv4/ip_forward'", r"\A99\n1\n")
    ],
    "run --cidfile": [
        Step("run --rm --cidfile cid busybox true"),
        fails("run --rm --cidfile cid busybox true", "container ID file found", 125),
    ],
    "run --rm leaves no container": [
        Step("run --rm --name gone busybox true"),
        Step("ps -aq --filter name=gone", r"\A\Z"),
    ],
    "create, start -a, rm": [
        Step("create --name made busybox sh -c 'echo said; exit 5'", HEX),
        Step("ps -a --filter name=made --format '{{.Status}}'", "Created"),
        Step("start -a made", "said", 5),
        Step("rm made", r"\Amade\n\Z"),
    ],
    # --- exec
    "exec ends as the program ends": [Step("exec box sh -c 'echo in; exit 7'", "in", 7)],
    "exec -e -w -u": [Step("exec -e X=y -w /kept -u 1000 box sh -c 'echo $X $MODE; pwd; id -u'", "y test\n/kept\n1000")],
    "exec -i passes stdin on": [Step("exec -i box cat", r"\Athrough\Z", input="through")],
    "exec -d goes on behind": [Step("exec -d box touch /tmp/by-exec"), Step("exec box sh -c 'until ls /tmp/by-exec; do :; done'")],
    "exec in one that has ended": [fails("exec done true", rf"container {HEX} is not running")],
    "exec in none": [fails("exec none true", "No such container: none")],
    "exec of no program is 127": [fails("exec box nosuch", r'exec: "nosuch": executable file not found in \$PATH', 127)],
    # --- files
    "cp in and out": [
        Step("cp env box:/tmp/env"),
        Step("exec box cat /tmp/env", "B=2"),
        Step("cp box:/tmp/env back"),
        Step("cp box:/etc/hostname -", "boxhost"),
    ],
    "cp of nothing says what": [fails("cp box:/nothing .", "Could not find the file /nothing in container box")],
    "diff shows what has changed": [
        Step("exec box touch /tmp/changed"),
        Step("diff box", r"(?m)^C /tmp\nA /tmp/"),
    ],
    # --- looking at containers
    "logs, and their end": [Step("logs box", r"\Aone\ntwo\n\Z"), Step("logs -n 2 box", r"\Atwo\n\Z")],
    "logs -t --since": [
        Step("logs -t box", r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one\n"),
        Step("logs --since 2100-01-01 box", r"\A\Z"),
    ],
    "logs --details": [Step("logs --details box", r"\AMODE=test,role=box one\n")],
    "logs of none": [fails("logs none", "No such container: none")],
    "top": [
        Step("top box", r"\AUID +PID +PPID +C +STIME +TTY +TIME +CMD\nroot .* sleep 1000\n\Z"),
        Step("top box -o pid,comm", r"\APID +COMMAND\n\d+ +sleep\n\Z"),
        fails("top done", rf"container {HEX} is not running"),
    ],
    "port": [
        Step("port web", r"\A8000/tcp -> 127\.0\.0\.1:\d+\n\Z"),
        Step("port web 8000", r"\A127\.0\.0\.1:\d+\n\Z"),
        fails("port web 9", r"No public port '9(/tcp)?' published for web"),
    ],
    "stats once": [
        Step("stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' box", r"\Abox [\d.]+\wi?B / 64MiB 1\n\Z")
    ],
    "ps has Docker's columns": [
        Step("ps", r"\ACONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n"),
        Step("ps --no-trunc -q --filter name=^box$", rf"\A{HEX}\n\Z"),
        Step("ps -n 1 --format '{{.Names}}'", r"\Adone\n\Z"),
    ],
    "ps --format of every field": [
        Step(
            "ps --filter name=box --format '{{.Names}}|{{.Image}}|{{.Command}}|{{.Labels}}|{{.Mounts}}|{{.Networks}}"
            "|{{.LocalVolumes}}|{{.State}}|{{.RunningFor}}'",
            r'\Abox\|busybox\|"sh -c \'echo one; ec…"\|role=box\|kept\|net1\|1\|running\|\w+',
        ),
        Step("ps --format '{{.Ports}}' --filter name=web", r"\A127\.0\.0\.1:\d+->8000/tcp\n"),
        Step("ps -s --format '{{.Size}}' --filter name=web", r"\A\S+B \(virtual \S+MB\)\n"),
        Step("ps --format json --filter name=box", r'"Names":"box"'),
    ],
    "ps --filter by what it is": [
        Step("ps -aq --filter label=role=box --filter status=running", rf"\A{SHORT}\n\Z"),
        Step("ps -a --filter exited=3 --format '{{.Names}} {{.Status}}'", r"\Adone Exited \(3\) .* ago\n\Z"),
        Step("ps --filter ancestor=busybox --format '{{.Names}}'", r"\Aweb\nbox\n\Z"),
        Step("ps --filter volume=kept --filter network=net1 --format '{{.Names}}'", r"\Abox\n\Z"),
        Step("ps --filter publish=7999-8001/tcp --format '{{.Names}}'", r"\Aweb\n\Z"),
        Step("ps -a --filter since=web --format '{{.Names}}'", r"\Adone\n\Z"),
        Step("ps -a --filter before=web --format '{{.Names}}'", r"\Abox\n\Z"),
        Step("ps --filter health=healthy --format '{{.Names}}'", r"\Aweb\n\Z"),
    ],
    "ps --filter of nonsense": [
        fails("ps --filter nonsense=1", "invalid filter 'nonsense'"),
        fails("ps --filter status=odd", "invalid filter 'status=odd'"),
    ],
    "inspect --format": [
        Step("inspect -f '{{.State.Status}} {{.Config.Hostname}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' box",
             r"\Arunning boxhost 67108864 500000000\n\Z"),
        Step("inspect -f '{{json .Config.Labels}}' box", r'\A\{"role":"box"\}\n\Z'),
        Step("inspect -f '{{range .Mounts}}{{.Type}}:{{.Name}}:{{.Destination}}{{end}}' box", "volume:kept:/kept"),
        Step("inspect -f '{{(index (index .NetworkSettings.Ports \"8000/tcp\") 0).HostIp}}' web", r"127\.0\.0\.1"),
        Step("inspect -f '{{.State.ExitCode}} {{.State.Error}}' done", r"\A3 \n\Z"),
        Step("inspect -s -f '{{.SizeRw}}' box", r"\A\d+\n\Z"),
    ],
    "inspect of other things": [
        Step("inspect -f '{{.Driver}}' kept", "local"),
        Step("inspect --type image -f '{{.Os}}' busybox", "linux"),
        Step("inspect --type network -f '{{.Driver}}' net1", "bridge"),
        fails("inspect nothing", r"(?i)no such object: nothing"),
    ],
    # --- life
    "stop, start, restart, kill": [
        Step("run -d --name life --stop-signal SIGKILL busybox sleep 1000"),
        Step("restart -t 1 life", r"\Alife\n"),
        Step("stop life", r"\Alife\n"),
        Step("inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' life", "137 false"),
        fails("kill life", rf"container {HEX} is not running|is not running"),
        Step("start life", r"\Alife\n"),
        Step("kill -s TERM life"),
        Step("rm -f life", r"\Alife\n"),
    ],
    "pause and unpause": [
        Step("pause box"),
        Step("ps --filter name=box --format '{{.Status}}'", r"Up .* \(Paused\)"),
        fails("exec box true", rf"[cC]ontainer {HEX}|box is paused, unpause the container before exec"),
        fails("pause box", "is already paused"),
        Step("unpause box"),
        fails("unpause box", "is not paused"),
    ],
    "wait gives the exit code": [Step("wait done", r"\A3\n\Z")],
    "rename and back": [
        Step("rename done ended"),
        Step("ps -aq --filter name=ended", SHORT),
        fails("rename ended box", "is already in use by container"),
        Step("rename ended done"),
    ],
    "update of a running one": [
        Step("update -m 96m --memory-swap -1 --restart no box", r"\Abox\n"),
        Step("inspect -f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}' box", "100663296 no"),
    ],
    "attach to one that ends": [
        Step("run -d --name ending busybox sh -c 'sleep 0.3; echo bye; exit 6'"),
        Step("attach --no-stdin ending", "bye", 6),
        Step("rm ending"),
    ],
    "rm of a running one": [
        fails("rm box", r'cannot remove container "(/?box|[0-9a-f]+)": container is running: stop the container before removing or force remove'),
    ],
    "container prune": [
        Step("run --name old --label old=1 busybox true"),
        Step("container prune -f --filter label=old", rf"Deleted Containers:\n{HEX}\n\nTotal reclaimed space: "),
        Step("container prune -f --filter until=1h", r"\ATotal reclaimed space: 0B\n\Z"),
    ],
    # --- images
    "images has Docker's columns": [
        Step("images busybox", r"\AREPOSITORY +TAG +IMAGE ID +CREATED +SIZE\nbusybox +latest "),
        Step("images --format '{{.Repository}}:{{.Tag}} {{.ID}}' --filter reference=busy*", rf"\Abusybox:latest {SHORT}\n"),
        Step("images -q --no-trunc busybox", rf"\Asha256:{HEX}\n"),
        Step("images -q --filter dangling=true --filter label=everyday", r"\A\Z"),
        fails("images --filter nonsense=1", "invalid filter 'nonsense'"),
    ],
    "tag, rmi and what holds an image": [
        Step("tag busybox other:1"),
        Step("rmi other:1", r"\AUntagged: other:1\n\Z"),
        fails("rmi busybox", r"conflict: unable to (delete|remove repository reference) .* \((must force|must be forced|cannot be forced)\) - "),
        fails("rmi none:9", "No such image: none:9"),
        fails("tag none:9 x", "No such image: none:9"),
        fails("tag busybox UPPER", "repository name must be lowercase|invalid reference format"),
    ],
    "history": [
        Step("commit -m told -a me -c 'ENV A=b' -c 'CMD [\"true\"]' done kind:1", rf"\Asha256:{HEX}\n\Z"),
        Step("history --format '{{.Comment}}' kind:1", r"\Atold\n"),
        Step("inspect -f '{{.Author}} {{.Config.Env}} {{.Config.Cmd}}' kind:1", r"\Ame \[.*A=b\] \[true\]\n"),
        Step("rmi kind:1", rf"Untagged: kind:1\nDeleted: sha256:{HEX}\n"),
    ],
    "save and load": [
        Step("tag busybox saved:1"),
        Step("save -o saved.tar saved:1"),
        Step("rmi saved:1"),
        Step("load -i saved.tar", r"Loaded image: saved:1\n"),
        Step("rmi saved:1"),
        fails("save -o x.tar none:9", "No such image: none:9|reference does not exist"),
    ],
    "export and import": [
        Step("export -o root.tar done"),
        Step("import -c 'CMD [\"echo\", \"again\"]' root.tar again:1", rf"\Asha256:{HEX}\n"),
        Step("run --rm again:1", r"\Aagain\n"),
        Step("rmi -f again:1"),
    ],
    "pull of what is not there": [
        fails("pull 127.0.0.1:1/none", r"127\.0\.0\.1:1.*connection refused"),
        fails("pull Bad", "invalid reference format: repository name .*must be lowercase"),
    ],
    # --- build
    "build from a Dockerfile on stdin": [
        Step("build -t made:1 -", r"Step 1/5 : FROM busybox AS first(.|\n)*Successfully tagged made:1\n",
             input=DOCKERFILE.format(word="so")),
        Step("run --rm made:1", r"\Aso\n"),
        Step("build -t made:1 -", "Using cache", input=DOCKERFILE.format(word="so")),
        Step("build -q --target first -", rf"\Asha256:{HEX}\n\Z", input=DOCKERFILE.format(word="so")),
        Step("rmi made:1", "Untagged: made:1"),
    ],
    "build that fails says what and ends as its program": [
        fails("build -", r"The command '/bin/sh -c exit 9' returned a non-zero code: 9", 9,
              input="FROM busybox\nRUN exit 9\n"),
        fails("build -", "unknown instruction: RUNN", input="FROM busybox\nRUNN x\n"),
        fails("build --target none -", r"target stage .?none.? could not be found|failed to reach build target none", input="FROM busybox\n"),
    ],
    "builder prune": [Step("builder prune -f", r"Total:|Total reclaimed space: ")],
    # --- networks
    "network create, inspect, rm": [
        Step("network create --subnet 10.232.5.0/24 --label a=b net2", rf"\A{HEX}\n\Z"),
        Step("network inspect -f '{{(index .IPAM.Config 0).Subnet}} {{(index .IPAM.Config 0).Gateway}} {{.Labels}}' net2",
             r"10\.232\.5\.0/24 10\.232\.5\.1 map\[a:b\]"),
        Step("network ls --filter label=a=b --format '{{.Name}} {{.Driver}} {{.Scope}}'", r"\Anet2 bridge local\n\Z"),
        fails("network create net2", "network with name net2 already exists"),
        fails("network create --subnet 10.232.5.0/25 net3", "Pool overlaps with other one on this address space"),
        Step("network rm net2", r"\Anet2\n"),
        fails("network rm net2", "network net2 not found"),
        fails("network rm bridge", "bridge is a pre-defined network and cannot be removed"),
    ],
    "network connect and disconnect": [
        Step("network connect --alias site net1 web"),
        Step("exec box wget -q -O - http://site:8000/", r"\Apage\n\Z"),
        fails("network connect net1 web", r"endpoint with name web already exists in network net1"),
        Step("network disconnect net1 web"),
        fails("network disconnect net1 web", r"container .* is not connected to (the )?network net1"),
        fails("network rm net1", r'network net1 has active endpoints \(name:"box" id:"[0-9a-f]+"\)'),
    ],
    "names answer in user networks": [
        Step("run --rm --network net1 busybox sh -c 'ping -c 1 -W 2 box && ping -c 1 -W 2 crate'", "0% packet loss"),
    ],
    "network prune": [
        Step("network create --label gone=1 net9"),
        Step("network prune -f --filter label=gone", r"\ADeleted Networks:\nnet9\n\n\Z"),
        Step("network prune -f --filter label!=kept --filter until=1h", r"\A\Z"),
    ],
    # --- volumes
    "volume create, ls, inspect, rm": [
        Step("volume create --label a=b vol1", r"\Avol1\n\Z"),
        Step("volume ls --filter label=a=b --format '{{.Driver}} {{.Name}}'", r"\Alocal vol1\n\Z"),
        Step("volume ls -q --filter dangling=true --filter name=vol", r"\Avol1\n\Z"),
        Step("volume inspect -f '{{.Mountpoint}} {{.Labels}} {{.Scope}}' vol1", r"/vol1/_data map\[a:b\] local"),
        Step("volume rm vol1", r"\Avol1\n"),
        fails("volume rm vol1", "no such volume"),
        fails("volume rm kept", rf"remove kept: volume is in use - \[{HEX}\]"),
        fails("volume create --driver odd x", r'(?i)error looking up volume plugin odd: plugin "odd" not found|odd'),
    ],
    "volume prune": [
        Step("volume create --label gone=1 vol9"),
        Step("volume prune -f", r"\ATotal reclaimed space: 0B\n\Z"),
        Step("volume prune -af --filter label=gone", r"\ADeleted Volumes:\nvol9\n\nTotal reclaimed space: 0B\n\Z"),
    ],
    # --- the system
    "version and info": [
        Step("version -f '{{.Server.APIVersion}} {{.Server.Os}} {{.Server.MinAPIVersion}}'", r"\A1\.51 linux 1\.24\n"),
        Step("info -f '{{.Containers}} {{.ContainersRunning}} {{.OSType}} {{.Driver}}'", r"\A3 2 linux \w+\n"),
        Step("info", r"Server:\n Containers: 3\n  Running: 2\n"),
    ],
    "events of the past": [
        Step("run --rm --name told busybox true"),
        Step("events --since 1h --until $NOW --filter container=told --filter type=container --format '{{.Action}}'",
             r"\Acreate\n(attach\n)?start\n(attach\n)?die\ndestroy\n\Z"),
        Step("events --since 1h --until $NOW --filter container=told --filter event=die "
             "--format '{{.ID}} {{.Status}} {{.From}} {{.Type}} {{.Scope}} {{index .Actor.Attributes \"exitCode\"}}'",
             rf"\A{HEX} die busybox container local 0\n\Z"),
        Step("run --rm -v kept:/k busybox true"),
        Step("events --since 1h --until $NOW --filter volume=kept --format '{{.Action}}'", r"(?m)^mount\nunmount$"),
        Step("events --since 1h --until $NOW --filter network=net1 --filter event=connect", r"network connect [0-9a-f]{64} \(container="),
        Step("events --since 1h --until $NOW --filter event=die --filter container=told", r"\A\d{4}-.* container die [0-9a-f]{64} \(execDuration=0, exitCode=0, image=busybox, name=told\)\n\Z"),
    ],
    "system df adds up": [
        Step("system df", r"\ATYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE\nImages +\d+ +1 (.|\n)*Containers +3 +2 (.|\n)*Local Volumes +1 +1 "),
        Step("system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}}{{end}}'", r"\Akept 1\Z"),
    ],
    "system prune keeps what is used": [
        Step("run -d --name doomed busybox true"),
        Step("wait doomed"),
        Step("system prune -f --filter label!=role", rf"Deleted Containers:\n{HEX}\n"),
        Step("ps -aq", rf"\A({SHORT}\n){{3}}\Z"),
    ],
    "commands have their older and newer names": [
        Step("container ls -q", rf"\A({SHORT}\n){{2}}\Z"),
        Step("image ls -q busybox", SHORT),
        Step("container inspect -f '{{.Name}}' box", r"\A/box\n"),
        Step("image inspect -f '{{.Architecture}}' busybox", r"\Aamd64|arm64\n"),
        Step("container rm none", "No such container: none", 1),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def day(shared_engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    started = Day(shared_engine, tmp_path_factory.mktemp("day"))
    shared_engine.remove_everything()
    for command in ("network create net1", BOX, WEB):
        started.take(Step(command))
    started.take(Step("run --name done --label role=done busybox sh -c 'exit 3'", code=3))
    healthy = Step("inspect -f '{{.State.Health.Status}}' web")
    wait_until(lambda: started.run(healthy).stdout == "healthy\n", "web is healthy")
    yield started
    for command in ("rm -f box web done", "network rm net1", "volume rm kept"):
        started.run(Step(command))


class Day:
    """The engine and a folder to work in."""

    def __init__(self, engine: EngineProcess, folder: Path) -> None:
        self.environment = engine.environment | {"DOCKER_BUILDKIT": "0"}
        self.folder = folder
        (folder / "env").write_text("B=2\n")

    def run(self, step: Step) -> subprocess.CompletedProcess[str]:
        given = step.command.replace("$PWD", str(self.folder)).replace("$NOW", f"{time.time():.9f}")
        argv = ["docker", *shlex.split(given)]
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environment | step.environment,
            input=step.input,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def take(self, step: Step) -> None:
        """Run a step and hold it to its words."""
        done = self.run(step)
        assert done.returncode == step.code, (step.command, done.returncode, done.stdout, done.stderr)
        said = done.stdout if step.code == 0 else done.stdout + done.stderr
        assert re.search(step.words, said), (step.command, said)


@pytest.mark.parametrize("name", CHECKS)
def test_docker(day: Day, name: str) -> None:
    for step in CHECKS[name]:
        day.take(step)


def test_there_are_enough_checks() -> None:
    assert len(CHECKS) >= 60
    assert sum(len(steps) for steps in CHECKS.values()) >= 150
