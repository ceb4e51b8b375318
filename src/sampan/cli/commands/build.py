# SPDX-License-Identifier: Apache-2.0
"""``sampan build``: hand the context and the Dockerfile to the engine, and show how it goes."""

from __future__ import annotations

import os

from sampan.cli.build_context import FolderContext, open_context
from sampan.cli.build_dates import date_environment
from sampan.cli.build_git import read_revision
from sampan.cli.build_options import FLAGS, plan_call, plan_query, plan_secrets, read_outputs, wants_json
from sampan.cli.build_results import write_results
from sampan.cli.build_sink import Sinks
from sampan.cli.command import Command, Exit, exactly
from sampan.cli.output import STDERR
from sampan.client.contexts import is_out_of_reach, reads_folders
from sampan.client.credentials import CredentialStore
from sampan.errors import InvalidArgument, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.build_context import StreamContext, UrlContext
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.answer import Answer
    from sampan.client.query import Parameter

_PROGRESS = ("auto", "plain", "quiet", "rawjson", "tty")


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Build; the image's id goes to stdout when quiet, everything else to stderr."""
    kind = choose_progress(
        options.text("progress") or context.environ.get("BUILDKIT_PROGRESS", ""),
        quiet=options.switch("quiet"),
        terminal=os.isatty(STDERR),
    )
    query = plan_query(options, date_environment(options, context.environ, arguments[0]))
    if query["sampan.attest"]:
        query["sampan.vcs"] = [f"{name}={value}" for name, value in read_revision(arguments[0]).items()]
    secrets = plan_secrets(options.several("secret"), context.environ)
    source = open_context(arguments[0], options.text("file"))
    registries = CredentialStore(context.environ).header_for_all()
    if registries:
        secrets = {**secrets, "X-Registry-Config": registries}
    sinks = Sinks(read_outputs(options))
    if options.text("iidfile") and not sinks.wants_image:
        raise InvalidArgument("--iidfile: files that are exported are no image")
    if plan_call(options):
        return _call(context, send(context, source, query, secrets), as_json=wants_json(options))
    answer = send(context, source, query, secrets)
    image_id, response = _follow(context, answer, kind, sinks)
    write_results(options, image_id, response)
    if kind == "quiet" and image_id:
        context.out.line(image_id)
    return 0


def _call(context: Context, answer: Answer, *, as_json: bool) -> int:
    """Print the answer to a question about the Dockerfile or the context."""
    from sampan.client.jsontext import encode_json

    told = answer.json()
    context.out.line(encode_json(told["value"]).decode() if as_json else str(told["text"]).rstrip("\n"))
    return int(told["code"])


def choose_progress(named: str, *, quiet: bool, terminal: bool) -> str:
    """Which display: what was asked for, else one that fits where it goes."""
    if quiet:
        return "quiet"
    if named and named not in _PROGRESS:
        raise InvalidArgument(f"invalid progress type {named}: must be one of {', '.join(_PROGRESS)}")
    if named in ("", "auto"):
        return "tty" if terminal else "plain"
    return named


def send(
    context: Context,
    source: FolderContext | StreamContext | UrlContext,
    query: dict[str, Parameter],
    secrets: dict[str, str],
) -> Answer:
    """Let the engine read a folder in place where it can; send it an archive where it cannot."""
    images = context.engine.images
    if isinstance(source, FolderContext) and reads_folders(context.engine):
        try:
            return images.build(query | source.place(), None, fields=secrets)
        except SampanError as error:
            if not is_out_of_reach(error):
                raise
    if not context.address.path and any("=/" in str(word) for word in _named(query)):
        raise InvalidArgument("--build-context: a folder can be named to an engine on this machine only")
    more, body = source.archive()
    return images.build(query | more, body, fields=secrets)


def _named(query: dict[str, Parameter]) -> list[str]:
    words = query.get("sampan.named-context")
    return words if isinstance(words, list) else []


def _follow(context: Context, answer: Answer, kind: str, sinks: Sinks) -> tuple[str, dict[str, str]]:
    """Show the build to its end, or Exit with what went wrong; the image's id, and what the outputs answered.

    Where files were wanted there is no id.
    """
    display = _open_display(context, kind)
    image_id = ""
    response: dict[str, str] = {}
    problem: dict[str, Any] | None = None
    is_whole = False
    try:
        for message in answer.iter_json():
            if "sampan" in message and message["sampan"]["type"] == "output":
                sinks.take(message["sampan"])
            elif "sampan" in message and message["sampan"]["type"] == "result":
                response = message["sampan"]["response"]
            elif "sampan" in message:
                display.event(message["sampan"])
            elif "errorDetail" in message or "error" in message:
                problem = message.get("errorDetail") or {"message": message.get("error")}
            elif "aux" in message:
                image_id = (message["aux"] or {}).get("ID", image_id)
            elif "stream" in message and kind != "quiet":
                context.out.note(message["stream"].rstrip("\n"))
        is_whole = problem is None
    finally:
        display.close()
        sinks.close(complete=is_whole)
    has_failed = problem is not None or (sinks.wants_image and not image_id)
    for line in display.trace.failure() if has_failed else ():
        context.out.note(line)
    for line in display.trace.caution() if kind in ("tty", "plain") else ():
        context.out.note(line)
    if has_failed:
        raise _failure(context, problem or {"message": "build ended without an image"})
    return image_id, response


def _open_display(context: Context, kind: str) -> Any:
    if kind == "tty":
        from sampan.cli.progress_live import LiveProgress

        return LiveProgress()
    if kind == "plain":
        from sampan.cli.progress_plain import PlainProgress

        return PlainProgress(context.out.note)
    if kind == "rawjson":
        from sampan.cli.progress_raw import RawProgress

        return RawProgress(context.out.note)
    from sampan.cli.progress import SilentProgress

    return SilentProgress()


def _failure(context: Context, problem: dict[str, Any]) -> Exit:
    """Show the place in the Dockerfile."""
    if problem.get("excerpt"):
        context.out.note(str(problem["excerpt"]))
    return Exit(
        int(problem.get("code") or 1),
        f"failed to build: failed to solve: {problem.get('message')}",
        hint=problem.get("hint"),
    )


COMMAND = Command(
    "image build",
    "build",
    "builder build",
    run=run,
    summary="Build an image from a Dockerfile",
    usage="[OPTIONS] PATH | -",
    flags=FLAGS,
    arity=exactly(1),
)
