# SPDX-License-Identifier: Apache-2.0
"""Commands against a scripted engine: what they ask, and what they print (docker 28.2.2 prints the same)."""

from __future__ import annotations

import json
import time

import pytest

from scripted_engine import ScriptedEngine, answer, chunked, frame

WEB = {
    "Id": "a" * 64,
    "Names": ["/web", "/db/web"],
    "Image": "nginx:1.2@sha256:" + "b" * 64,
    "ImageID": "sha256:" + "c" * 64,
    "Command": 'python "manage.py" runserver 0.0.0.0:8000',
    "Ports": [{"IP": "0.0.0.0", "PrivatePort": 8000, "PublicPort": 8000, "Type": "tcp"}],
    "Labels": {"b": "2", "a": "1"},
    "State": "running",
    "Status": "Up 2 hours",
    "SizeRw": 1234567,
    "SizeRootFs": 99999999,
    "NetworkSettings": {"Networks": {"bridge": {}}},
    "Mounts": [{"Type": "volume", "Name": "d" * 64, "Driver": "local", "Source": "x", "Destination": "/y"}],
}
MISSING = {"message": "No such container: x"}


@pytest.fixture
def web(scripted: ScriptedEngine) -> ScriptedEngine:
    scripted.on("GET /containers/json", json=[{**WEB, "Created": int(time.time()) - 7300}])
    return scripted


def test_ps_prints_dockers_columns(sampan, web: ScriptedEngine) -> None:
    assert sampan("ps") == (
        0,
        (
            "CONTAINER ID   IMAGE       COMMAND                    CREATED       STATUS       PORTS"
            "                    NAMES\n"
            'aaaaaaaaaaaa   nginx:1.2   "python \\"manage.py\\" …"   2 hours ago   Up 2 hours   '
            "0.0.0.0:8000->8000/tcp   web\n"
        ),
        "",
    )


def test_ps_asks_for_what_its_flags_say(sampan, web: ScriptedEngine) -> None:
    sampan("ps")
    sampan("ps", "-a", "-s", "-f", "label=x", "-f", "label=y")
    sampan("ps", "-n", "3")
    sampan("ps", "-l", "--format", "{{.Size}}")
    assert [request.query for request in web.asked] == [
        {},
        {"all": ["1"], "size": ["1"], "filters": ['{"label":["x","y"]}']},
        {"all": ["1"], "limit": ["3"]},
        {"all": ["1"], "limit": ["1"], "size": ["1"]},
    ]


def test_ps_formats(sampan, web: ScriptedEngine) -> None:
    assert sampan("ps", "-q").out == "a" * 12 + "\n"
    assert sampan("ps", "-q", "--no-trunc").out == "a" * 64 + "\n"
    template = (
        '{{.ID}} {{.Names}} {{.Label "a"}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}} {{.State}} {{.Size}}'
    )
    assert sampan("ps", "--format", template).out == (
        "aaaaaaaaaaaa web 1 dddddddddddddd… 1 bridge running 1.23MB (virtual 100MB)\n"
    )
    assert sampan("ps", "--format", 'table {{.Names}}\\t{{.Label "a"}}').out == "NAMES     a\nweb       1\n"


def test_ps_json_is_safe_for_html_as_gos_encoder_makes_it(sampan, web: ScriptedEngine) -> None:
    line = sampan("ps", "--format", "json").out
    assert '"Ports":"0.0.0.0:8000-\\u003e8000/tcp"' in line
    assert json.loads(line)["Names"] == "web"


def test_ps_with_an_unknown_field_fails(sampan, web: ScriptedEngine) -> None:
    said = sampan("ps", "--format", "{{.Nonsense}}")
    assert said.status != 0
    assert "can't evaluate field Nonsense in type *formatter.ContainerContext" in said.err


IMAGES = [
    {"Id": "sha256:" + "2" * 64, "RepoTags": [], "RepoDigests": [], "Created": 0, "Size": 512},
    {
        "Id": "sha256:" + "1" * 64,
        "RepoTags": ["nginx:1.2", "reg.example:5000/a/b:c"],
        "RepoDigests": ["nginx@sha256:" + "9" * 64, "other@sha256:" + "8" * 64],
        "Created": 1000,
        "Size": 187654321,
    },
]


def test_images_prints_a_row_a_name(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /images/json", json=IMAGES)
    template = "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}} {{.Size}}"
    assert sampan("images", "--format", template.replace(" {{.Digest}}", "")).out.splitlines() == [
        "nginx 1.2 111111111111 188MB",
        "reg.example:5000/a/b c 111111111111 188MB",
        "other <none> 111111111111 188MB",
        "<none> <none> 222222222222 512B",
    ]
    assert sampan("images", "--format", template).out.splitlines()[0] == (
        f"nginx 1.2 sha256:{'9' * 64} 111111111111 188MB"
    )
    assert sampan("images", "-q", "--no-trunc").out.splitlines()[-1] == "sha256:" + "2" * 64


def test_images_of_a_repository_are_filtered_by_the_engine(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /images/json", json=[])
    assert sampan("images", "nginx").out == "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n"
    assert scripted.asked[0].query == {"filters": ['{"reference":["nginx"]}']}


def test_names_that_work_are_printed_and_the_others_complained_about(
    sampan, scripted: ScriptedEngine
) -> None:
    scripted.on("DELETE /containers/web", answer(204, length=False))
    scripted.on("DELETE /containers/x", json=MISSING, status=404)
    assert sampan("rm", "-v", "x", "web") == (1, "web\n", "sampan: No such container: x\n")
    assert scripted.asked[1].query == {"v": ["1"]}


def test_rm_force_does_not_mind_what_is_not_there(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("DELETE /containers/x", json=MISSING, status=404)
    assert sampan("rm", "-f", "x") == (0, "", "sampan: No such container: x\n")


def test_several_are_stopped_at_once_and_told_in_order(sampan, scripted: ScriptedEngine) -> None:
    import threading

    both = threading.Barrier(2, timeout=10)

    def stop(connection, _request) -> None:
        both.wait()  # neither is answered before both were asked
        connection.sendall(answer(204, length=False))

    scripted.on("POST /containers/a/stop", stop)
    scripted.on("POST /containers/b/stop", stop)
    scripted.on("POST /containers/x/stop", json=MISSING, status=404)
    said = sampan("stop", "-t", "3", "a", "x", "b")
    assert said == (1, "a\nb\n", "sampan: No such container: x\n")
    assert {request.query["t"][0] for request in scripted.asked} == {"3"}


def test_start(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /containers/a/start", answer(204, length=False))
    scripted.on("POST /containers/b/start", answer(304, length=False))
    assert sampan("start", "a", "b") == (0, "a\nb\n", "")
    assert "multiple containers at once" in sampan("start", "-a", "a", "b").err


def test_the_older_name_of_stops_timeout_is_accepted(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /containers/a/stop", answer(304, length=False))
    assert sampan("stop", "--time", "0", "-s", "INT", "a") == (0, "a\n", "")
    assert scripted.asked[0].query == {"t": ["0"], "signal": ["INT"]}


def test_wait_prints_exit_codes(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /containers/a/wait", chunked(b'{"StatusCode":3}\n'))
    scripted.on("POST /containers/b/wait", chunked(b'{"StatusCode":0,"Error":null}\n'))
    assert sampan("wait", "a", "b") == (0, "3\n0\n", "")


def test_logs_keep_the_streams_apart(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /containers/web/json", json={"Id": "full", "Config": {"Tty": False}})
    scripted.on("GET /containers/full/logs", chunked(frame(1, b"out\n") + frame(2, b"err\n")))
    assert sampan("logs", "-t", "--tail", "5", "--since", "100", "web") == (0, "out\n", "err\n")
    assert scripted.asked[1].query == {
        "stdout": ["1"],
        "stderr": ["1"],
        "timestamps": ["1"],
        "tail": ["5"],
        "since": ["100"],
    }


def test_logs_of_a_terminal_are_as_they_are(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /containers/web/json", json={"Id": "web", "Config": {"Tty": True}})
    scripted.on("GET /containers/web/logs", chunked(b"\x1b[1mraw\r\n"))
    assert sampan("logs", "web").out == "\x1b[1mraw\r\n"


def test_inspect_looks_for_any_kind_of_object(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /networks/net", json={"Name": "net", "Options": {}, "Tags": []})
    assert sampan("inspect", "net").out == (
        '[\n    {\n        "Name": "net",\n        "Options": {},\n        "Tags": []\n    }\n]\n'
    )
    assert scripted.lines == ["GET /containers/net/json", "GET /images/net/json", "GET /networks/net"]


def test_inspect_prints_what_it_found_and_fails_for_the_rest(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /containers/web/json", json={"Name": "/web"})
    assert sampan("inspect", "-f", "{{.Name}}", "web", "nope") == (
        1,
        "/web\n",
        "sampan: No such object: nope\n",
    )
    assert sampan("inspect", "nope").out == "[]\n"


def test_inspect_of_one_kind_has_the_engines_words(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /containers/x/json", json=MISSING, status=404)
    assert sampan("inspect", "--type", "container", "x").err == "sampan: No such container: x\n"
    assert sampan("container", "inspect", "x").err == "sampan: No such container: x\n"
    assert 'unknown type: "foo"' in sampan("inspect", "--type", "foo", "x").err


def test_rmi_tells_what_became_of_names_and_images(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("DELETE /images/a:b", json=[{"Untagged": "a:b"}, {"Deleted": "sha256:1"}])
    scripted.on("DELETE /images/no", json={"message": "No such image: no:latest"}, status=404)
    said = sampan("rmi", "no", "a:b")
    assert said == (1, "Untagged: a:b\nDeleted: sha256:1\n", "sampan: No such image: no:latest\n")
    assert sampan("rmi", "-f", "no").status == 0


def test_tag_splits_the_name(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /images/a/tag", answer(201))
    assert sampan("tag", "a", "reg:5000/x/y:z") == (0, "", "")
    assert scripted.asked[0].query == {"repo": ["reg:5000/x/y"], "tag": ["z"]}
    assert "refusing to create a tag with a digest" in sampan("tag", "a", "b@sha256:1").err


def test_history(sampan, scripted: ScriptedEngine) -> None:
    layers = [
        {"Id": "sha256:" + "1" * 64, "Created": 5, "CreatedBy": "RUN a\tb " + "c" * 50, "Size": 12345678},
        {"Id": "<missing>", "Created": 0, "CreatedBy": "", "Size": 0, "Comment": "x"},
    ]
    scripted.on("GET /images/n/history", json=layers)
    template = "{{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}"
    assert sampan("history", "--format", template, "n").out.splitlines() == [
        f"{'1' * 12}|RUN a b {'c' * 36}…|12.3MB|",
        "<missing>||0B|x",
    ]
    assert sampan("history", "-q", "-H=false", "n").out == "1" * 12 + "\n<missing>\n"


def test_save_writes_a_file_that_appears_whole(sampan, scripted: ScriptedEngine, tmp_path) -> None:
    target = tmp_path / "images.tar"
    scripted.on("GET /images/get", chunked(b"tar", b"ball"))
    assert sampan("save", "-o", str(target), "a", "b:c") == (0, "", "")
    assert target.read_bytes() == b"tarball"
    assert scripted.asked[0].query == {"names": ["a", "b:c"]}
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    sampan, scripted: ScriptedEngine, tmp_path
) -> None:
    target = tmp_path / "out" / "images.tar"
    target.parent.mkdir()
    target.write_bytes(b"old")

    def cut(connection, _request) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")

    scripted.on("GET /images/get", cut)
    assert sampan("save", "-o", str(target), "a").status == 1
    assert [path.name for path in target.parent.iterdir()] == ["images.tar"]
    assert target.read_bytes() == b"old"


def test_save_goes_to_a_pipe(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /images/get", chunked(b"tar"))
    assert sampan("save", "a") == (0, "tar", "")


def test_load_sends_the_file_and_prints_the_stream(sampan, scripted: ScriptedEngine, tmp_path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(b"x" * 300_000)
    scripted.on("POST /images/load", chunked(b'{"stream":"Loaded image: a:b\\n"}\n'))
    assert sampan("load", "-i", str(archive)) == (0, "Loaded image: a:b\n", "")
    assert scripted.asked[0].body == b"x" * 300_000


def test_an_error_in_a_stream_ends_the_command(sampan, scripted: ScriptedEngine, tmp_path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(b"x")
    scripted.on(
        "POST /images/load",
        chunked(b'{"errorDetail":{"message":"archive/tar: invalid tar header"},"error":"x"}\n'),
    )
    assert sampan("load", "-i", str(archive)) == (1, "", "sampan: archive/tar: invalid tar header\n")


def test_import_names_the_image(sampan, scripted: ScriptedEngine, tmp_path) -> None:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(b"tar")
    scripted.on("POST /images/create", chunked(b'{"status":"sha256:abc"}\n'))
    words = ("import", "-c", "CMD x", "-c", "ENV a=b", "-m", "why", str(archive), "a/b:c")
    assert sampan(*words) == (0, "sha256:abc\n", "")
    assert scripted.asked[0].query == {
        "fromSrc": ["-"],
        "repo": ["a/b"],
        "tag": ["c"],
        "message": ["why"],
        "changes": ["CMD x", "ENV a=b"],
    }


def test_version_prints_both_halves(sampan, scripted: ScriptedEngine) -> None:
    version = {"Version": "1", "ApiVersion": "1.51", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}
    scripted.on("GET /version", json=version)
    said = sampan("version")
    assert said.status == 0
    assert "\n API version:       1.51\n" in said.out
    assert "  API version:      1.51 (minimum version 1.24)\n" in said.out
    assert sampan("version", "--format", "{{.Server.Version}}").out == "1\n"


def test_version_prints_the_client_although_the_engine_fails(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("GET /version", json={"message": "on strike"}, status=503)
    said = sampan("version")
    assert said.status == 1
    assert said.out.startswith("Client: Sampan\n")
    assert said.err == "sampan: on strike\n"


def test_info_prints_figures_and_warnings(sampan, scripted: ScriptedEngine) -> None:
    info = {"Containers": 3, "Driver": "overlay", "MemTotal": 4_000_000_000, "Warnings": ["WARNING: low"]}
    scripted.on("GET /info", json={**info, "SecurityOptions": ["name=seccomp,profile=builtin"]})
    said = sampan("info")
    assert "\n Containers: 3\n Storage Driver: overlay\n" in said.out
    assert "  seccomp\n   Profile: builtin\n" in said.out
    assert " Total Memory: 3.725GiB\n" in said.out
    assert said.err == "WARNING: low\n"
    assert sampan("system", "info", "-f", "{{.Driver}}").out == "overlay\n"


def test_port(sampan, scripted: ScriptedEngine) -> None:
    ports = {
        "99/tcp": None,
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "53"}],
    }
    scripted.on("GET /containers/web/json", json={"NetworkSettings": {"Ports": ports}})
    assert sampan("port", "web").out == (
        "53/udp -> 0.0.0.0:53\n80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n"
    )
    assert sampan("port", "web", "53/udp").out == "0.0.0.0:53\n"
    assert sampan("port", "web", "99") == (1, "", "sampan: No public port '99' published for web\n")


def test_top_and_diff(sampan, scripted: ScriptedEngine) -> None:
    table = {"Titles": ["UID", "PID", "CMD"], "Processes": [["root", "1", "nginx: master"]]}
    scripted.on("GET /containers/web/top", json=table)
    assert sampan("top", "web", "-o", "pid").out == (
        "UID                 PID                 CMD\nroot                1                   nginx: master\n"
    )
    assert scripted.asked[0].query == {"ps_args": ["-o pid"]}
    changes = [{"Path": "/a", "Kind": 0}, {"Path": "/b", "Kind": 1}, {"Path": "/c", "Kind": 2}]
    scripted.on("GET /containers/web/changes", json=changes)
    assert sampan("diff", "web").out == "C /a\nA /b\nD /c\n"


def test_stats_once(sampan, scripted: ScriptedEngine) -> None:
    stats = {
        "id": "a" * 64,
        "name": "/web",
        "pids_stats": {"current": 4},
        "cpu_stats": {"cpu_usage": {"total_usage": 2000}, "system_cpu_usage": 100000, "online_cpus": 2},
        "precpu_stats": {"cpu_usage": {"total_usage": 1000}, "system_cpu_usage": 90000},
        "memory_stats": {"usage": 5000000, "limit": 100000000, "stats": {"inactive_file": 1000}},
        "networks": {"eth0": {"rx_bytes": 1234, "tx_bytes": 99}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 5000}]},
    }
    scripted.on("GET /containers/web/stats", json=stats)
    assert sampan("stats", "--no-stream", "web").out == (
        "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT     MEM %     NET I/O        BLOCK I/O   PIDS\n"
        "aaaaaaaaaaaa   web       20.00%    4.767MiB / 95.37MiB   5.00%     1.23kB / 99B   5kB / 0B    4\n"
    )


def test_events_have_nine_digits_and_sorted_attributes(sampan, scripted: ScriptedEngine, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    event = {"Type": "container", "Action": "start", "timeNano": 1700000000000000123}
    event["Actor"] = {"ID": "abc", "Attributes": {"name": "x", "image": "y"}}
    scripted.on("GET /events", chunked(json.dumps(event).encode() + b"\n"))
    assert sampan("events", "--until", "5").out == (
        "2023-11-14T22:13:20.000000123Z container start abc (image=y, name=x)\n"
    )
    assert sampan("events", "--format", "{{.Action}}").out == "start\n"
    assert scripted.asked[0].query == {"until": ["5"]}


def test_prune_asks_first(sampan, scripted: ScriptedEngine, monkeypatch) -> None:
    import os

    scripted.on("POST /containers/prune", json={"ContainersDeleted": ["abc"], "SpaceReclaimed": 123456})
    answers = iter([b"n", b"\n", b"y", b"\n"])
    monkeypatch.setattr("sampan.cli.confirm.os.read", lambda *_: next(answers), raising=True)
    question = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
    assert sampan("container", "prune") == (0, question, "")
    assert scripted.asked == []
    told = "Deleted Containers:\nabc\n\nTotal reclaimed space: 123.5kB\n"
    assert sampan("container", "prune").out == question + told
    monkeypatch.undo()
    assert os.read is not None
    assert sampan("container", "prune", "-f").out == told


def test_system_prune_prunes_users_of_things_before_the_things(sampan, scripted: ScriptedEngine) -> None:
    for what in ("containers", "networks", "volumes", "images", "build"):
        scripted.on(f"POST /{what}/prune", json={"SpaceReclaimed": 10})
    said = sampan("system", "prune", "-af", "--volumes", "--filter", "label=x")
    assert said == (0, "Total reclaimed space: 50B\n", "")
    assert scripted.lines == [
        f"POST /{what}/prune" for what in ("containers", "networks", "volumes", "images", "build")
    ]
    filters = [json.loads(request.query["filters"][0]) for request in scripted.asked]
    assert filters[2] == {"label": ["x"]}
    assert filters[3] == {"label": ["x"], "dangling": ["false"]}


def test_system_df_reckons_as_docker(sampan, scripted: ScriptedEngine) -> None:
    usage = {
        "LayersSize": 1092588,
        "Images": [
            {"Size": 512, "SharedSize": 12, "Containers": 2},
            {"Size": 9, "SharedSize": 0, "Containers": 0},
        ],
        "Containers": [{"SizeRw": 1234567, "State": "running"}, {"State": "exited"}],
        "Volumes": [{"UsageData": {"Size": 10, "RefCount": n}} for n in (2, 0)],
        "BuildCache": [{"Size": 51, "InUse": False}, {"Size": 51, "InUse": True}],
    }
    scripted.on("GET /system/df", json=usage)
    assert sampan("system", "df").out == (
        "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
        "Images          2         1         1.093MB   1.092MB (99%)\n"
        "Containers      2         1         1.235MB   0B (0%)\n"
        "Local Volumes   2         1         20B       10B (50%)\n"
        "Build Cache     2         1         102B      51B\n"
    )


def test_system_df_verbose_is_a_table_a_kind(sampan, scripted: ScriptedEngine) -> None:
    created = int(time.time()) - 30
    usage = {
        "Images": [{"Id": "sha256:" + "1" * 64, "RepoTags": ["a:b", "c:d"], "Created": created, "Size": 512}],
        "Containers": [{**WEB, "Created": created}],
        "Volumes": [{"Name": "v", "Driver": "local", "UsageData": {"Size": 10920104, "RefCount": 2}}],
        "BuildCache": [{"ID": "x" * 25, "Type": "regular", "Size": 51, "InUse": True, "UsageCount": 3}],
    }
    scripted.on("GET /system/df", json=usage)
    shown = sampan("system", "df", "-v").out
    assert "a            b         111111111111" in shown
    assert "c:d" not in shown
    assert "virtual" not in shown
    assert "v             2         10.92MB\n" in shown
    assert "Build cache usage: 51B\n" in shown
    assert "xxxxxxxxxxxx*   regular      51B" in shown


def test_platforms_are_sent_as_json(sampan, scripted: ScriptedEngine) -> None:
    platform = {"platform": ['{"os":"linux","architecture":"arm64","variant":"v8"}']}
    scripted.on("GET /images/a/json", json={})
    scripted.on("GET /images/a/history", json=[])
    scripted.on("GET /images/get", chunked(b"x"))
    for words in (("image", "inspect"), ("history",), ("save",)):
        assert sampan(*words, "--platform", "linux/arm64/v8", "a").status == 0
    assert [request.query["platform"] for request in scripted.asked] == [platform["platform"]] * 3


def test_volumes(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /volumes/create", json={"Name": "v"})
    assert sampan("volume", "create", "-o", "type=tmpfs", "--label", "a", "v").out == "v\n"
    assert scripted.asked[0].json == {
        "Name": "v",
        "Driver": "local",
        "DriverOpts": {"type": "tmpfs"},
        "Labels": {"a": ""},
    }
    volumes = [{"Name": name, "Driver": "local", "Labels": None} for name in ("zz", "aa")]
    scripted.on("GET /volumes", json={"Volumes": volumes})
    assert sampan("volume", "ls").out == "DRIVER    VOLUME NAME\nlocal     aa\nlocal     zz\n"
    scripted.on("DELETE /volumes/v", json={"message": "remove v: volume is in use - [abc]"}, status=409)
    assert sampan("volume", "rm", "v") == (1, "", "sampan: remove v: volume is in use - [abc]\n")


def test_networks(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /networks/create", json={"Id": "n1", "Warning": ""})
    words = ("--subnet", "10.1.0.0/16", "--gateway", "10.1.0.1", "--ip-range", "10.1.2.0/24", "--ipv6")
    assert sampan("network", "create", *words, "net").out == "n1\n"
    sent = scripted.asked[0].json
    assert isinstance(sent, dict)
    assert sent["IPAM"]["Config"] == [
        {"Subnet": "10.1.0.0/16", "IPRange": "10.1.2.0/24", "Gateway": "10.1.0.1"}
    ]
    assert sent["EnableIPv6"] is True
    assert "EnableIPv4" not in sent
    assert "no matching subnet for gateway 10.9.0.1" in (
        sampan("network", "create", "--subnet", "10.1.0.0/16", "--gateway", "10.9.0.1", "net").err
    )
    scripted.on("POST /networks/net/connect", answer())
    assert sampan("network", "connect", "--alias", "db,cache", "net", "web").status == 0
    endpoint = scripted.asked[-1].json
    assert isinstance(endpoint, dict)
    assert endpoint["EndpointConfig"]["Aliases"] == ["db", "cache"]


def test_commands_that_the_engine_does_not_know_say_so(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /commit", json={"message": "commit is not supported yet"}, status=501)
    assert sampan("commit", "web", "a:b") == (1, "", "sampan: commit is not supported yet\n")
    assert scripted.asked[0].query == {
        "container": ["web"],
        "repo": ["a"],
        "tag": ["b"],
        "pause": ["1"],
    }


def test_update_sends_only_what_was_given(sampan, scripted: ScriptedEngine) -> None:
    scripted.on("POST /containers/web/update", json={"Warnings": None})
    assert (
        sampan("update", "--memory", "1g", "--cpus", "1.5", "--restart", "on-failure:3", "web").out == "web\n"
    )
    assert scripted.asked[0].json == {
        "Memory": 1 << 30,
        "NanoCpus": 1_500_000_000,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    }


def test_create_pulls_what_is_missing_and_prints_the_id(sampan, scripted: ScriptedEngine, tmp_path) -> None:
    missing = answer(404, b'{"message":"No such image: a:latest"}')
    scripted.on("POST /containers/create", missing, answer(201, b'{"Id":"new","Warnings":["careful"]}'))
    scripted.on("POST /images/create", chunked(b'{"status":"Pulling"}\n'))
    cidfile = tmp_path / "id"
    said = sampan("create", "--name", "web", "--cidfile", str(cidfile), "a", "sh", "-c", "x")
    assert said.out == "new\n"
    assert "Unable to find image 'a:latest' locally" in said.err
    assert "WARNING: careful" in said.err
    assert cidfile.read_text() == "new"
    assert scripted.asked[-1].query == {"name": ["web"]}
    assert sampan("create", "--restart", "always", "--rm", "a").status == 125


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(sampan, shell: str) -> None:
    said = sampan("completion", shell)
    assert said.status == 0
    assert "completion words --" in said.out
    assert sampan("completion", "tcsh").status == 1


def test_completion_offers_commands_flags_and_names(sampan, web: ScriptedEngine) -> None:
    def offered(*words: str) -> list[str]:
        return sampan("completion", "words", "--", *words).out.splitlines()

    assert {"ps", "run", "container"} <= set(offered(""))
    assert "ls" in offered("container", "")
    assert "--no-trunc" in offered("ps", "--n")
    assert "--run-root" in offered("--")
    assert offered("rm", "-f", "") == ["web", "db/web"]
    assert offered("-H", "unix:///x", "ps", "--format", "") == []
    assert offered("completion", "") == ["bash", "fish", "zsh"]
    assert offered("nonsense", "") == []
