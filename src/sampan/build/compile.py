# SPDX-License-Identifier: Apache-2.0
"""One stage's instructions to steps and an image config.

Implements: the Dockerfile reference, each instruction's section; BuildKit's ``dockerfile2llb`` where the
reference is silent (which words are expanded, what resets what, what the history says).
Holds: pure. The same instructions, base and arguments give the same steps and the same config.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.heredoc import Heredoc, heredoc_at
from sampan.build.dockerfile.location import Location, Misuse
from sampan.build.dockerfile.mounts import RunMount, parse_mount
from sampan.build.draft import Draft, describe_healthcheck
from sampan.build.expand import Expander
from sampan.build.git import is_git_url
from sampan.build.modes import parse_mode_change
from sampan.build.ports import parse_exposed
from sampan.build.quoting import go_quoted_list
from sampan.build.signals import check_signal
from sampan.build.stages import FromContext, FromImage, Origin, Stage, StagePlan
from sampan.build.steps import CopyStep, Mark, RunStep, Step, StepMount, WorkdirStep
from sampan.errors import SampanError
from sampan.oci.run_config import Healthcheck

_URL = re.compile(r"https?://")
_STEPS = (ins.Run, ins.Transfer, ins.Workdir)


@dataclass(frozen=True, slots=True)
class CompiledStage:
    """What a stage does and what its image would be; `trailing` are the instructions after the last step."""

    stage: Stage
    steps: tuple[Step, ...]
    draft: Draft
    start: Mark
    trailing: tuple[Mark, ...]
    vertex_prefix: str


@dataclass(frozen=True, slots=True)
class StageNumbers:
    """How the stage's lines are numbered for people: the first mark's number, the total, and the prefix."""

    first: int
    total: int
    prefix: str


def compile_stage(
    plan: StagePlan,
    stage: Stage,
    draft: Draft,
    triggers: tuple[ins.Instruction, ...],
    *,
    build_args: Mapping[str, str],
    numbers: StageNumbers,
) -> CompiledStage:
    """Read the stage's instructions, those of its base's ONBUILD first; DockerfileError names the line."""
    compiler = _Compiler(plan, stage, draft, build_args, numbers)
    instructions = (*triggers, *stage.instructions)
    compiler.vertex_total = compiler.from_count + sum(_makes_step(item) for item in instructions)
    for position, instruction in enumerate(instructions):
        try:
            if position >= len(triggers):
                compiler.mark(instruction)
            compiler.take(instruction)
        except Misuse as error:
            raise plan.error(error.reason, instruction.location) from None
    return compiler.finish()


class _Compiler:
    def __init__(
        self,
        plan: StagePlan,
        stage: Stage,
        draft: Draft,
        build_args: Mapping[str, str],
        numbers: StageNumbers,
    ) -> None:
        self.plan = plan
        self.stage = stage
        self.draft = draft
        self.build_args = build_args
        self.numbers = numbers
        self.expander = Expander(escape=plan.escape)
        self.steps: list[Step] = []
        self.marks: list[Mark] = []
        self.next_mark = numbers.first
        self.start = self._mark(stage.start)
        # Only a base from outside is a vertex of its own.
        self.from_count = int(isinstance(stage.base, FromImage | FromContext))
        self.vertex_total = 0
        if not self.from_count:
            self.marks.append(self.start)

    def mark(self, instruction: ins.Instruction) -> None:
        """Count an instruction of the file; triggers come from elsewhere and have no number."""
        self.marks.append(self._mark(instruction))

    def take(self, instruction: ins.Instruction) -> None:
        _COMPILERS[type(instruction)](self, instruction)

    def finish(self) -> CompiledStage:
        return CompiledStage(
            self.stage, tuple(self.steps), self.draft, self.start, tuple(self.marks), self.vertex_prefix(1)
        )

    def word(self, text: str) -> str:
        return self.expander.word(text, self.draft.env)

    def vertex_prefix(self, index: int) -> str:
        total = max(self.vertex_total, 1)
        name = f"{self.numbers.prefix} " if self.numbers.prefix else ""
        return f"[{name}{index:>{len(str(total))}}/{total}]"

    def place(self, instruction: ins.Instruction) -> tuple[str, Location, tuple[Mark, ...]]:
        """The next vertex's name, location and marks."""
        name, _, rest = _display(self.expander, instruction.original, self.draft.env).partition(" ")
        prefix = self.vertex_prefix(len(self.steps) + self.from_count + 1)
        marks, self.marks = tuple(self.marks), []
        return f"{prefix} {name.upper()} {rest.strip()}", instruction.location, marks

    def _mark(self, instruction: ins.Instruction) -> Mark:
        mark = Mark(self.next_mark, self.numbers.total, _one_line(instruction.original))
        self.next_mark += 1
        return mark


def _display(expander: Expander, text: str, env: Mapping[str, str]) -> str:
    """The instruction with what is known filled in, for people; as written where that cannot be done."""
    try:
        return replace(expander, raw_quotes=True, raw_escapes=True, keep_unset=True).word(
            _one_line(text), env
        )
    except Misuse:
        return _one_line(text)


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text).strip()


def _makes_step(instruction: ins.Instruction) -> bool:
    if isinstance(instruction, ins.Workdir):
        return instruction.path != "/"
    return isinstance(instruction, _STEPS)


def _arg(compiler: _Compiler, line: ins.Arg) -> None:
    """Earlier names on the same line are seen by later ones."""
    shown = []
    for name, default in line.pairs:
        name = compiler.word(name)
        if not name:
            raise Misuse("ARG names can not be blank")
        value = None if default is None else compiler.word(default)
        if name in compiler.build_args:
            value = compiler.build_args[name]
        elif value is None:
            value = compiler.plan.global_args.get(name)
        shown.append(name if value is None else f"{name}={value}")
        compiler.draft.set_arg(name, value)
    compiler.draft.record("ARG " + " ".join(shown))


def _env(compiler: _Compiler, line: ins.Env) -> None:
    """All values see the environment before the line."""
    pairs = _expanded_pairs(compiler, line)
    if any(not name for name, _ in pairs):
        raise Misuse("ENV names can not be blank")
    compiler.draft.set_env(dict(pairs))
    compiler.draft.record("ENV " + " ".join(f"{name}={value}" for name, value in pairs))


def _label(compiler: _Compiler, line: ins.Label) -> None:
    pairs = _expanded_pairs(compiler, line)
    compiler.draft.change(labels={**compiler.draft.config.labels, **dict(pairs)})
    compiler.draft.record("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))


def _expanded_pairs(compiler: _Compiler, line: ins.Env | ins.Label) -> list[tuple[str, str]]:
    return [(compiler.word(name), compiler.word(value)) for name, value in line.pairs]


def _maintainer(compiler: _Compiler, line: ins.Maintainer) -> None:
    compiler.draft.author = line.author
    compiler.draft.record(f"MAINTAINER {line.author}")


def _workdir(compiler: _Compiler, line: ins.Workdir) -> None:
    text = compiler.word(line.path)
    # As BuildKit: the image keeps an absolute path as it was written.
    path = text if text.startswith("/") else absolute_path(compiler.draft.working_dir, text)
    layer = path != "/"
    if layer:
        place, user = absolute_path("/", path), compiler.draft.config.user
        compiler.steps.append(WorkdirStep(*compiler.place(line), path=place, user=user))
    compiler.draft.change(working_dir=path)
    compiler.draft.record(f"WORKDIR {path}", layer=layer, suffix=False)


def _run(compiler: _Compiler, line: ins.Run) -> None:
    if line.security == "insecure":
        raise Misuse(
            "RUN --security=insecure is not allowed: steps run with the rights of an ordinary container"
        )
    arguments, script = _command(compiler.draft, line)
    name, location, marks = compiler.place(line)
    if line.heredocs and heredoc_at(line.arguments[0].split(), 0)[0]:
        name += f" ({_summary(line.heredocs[0].content)})"
    compiler.steps.append(
        RunStep(
            name,
            location,
            marks,
            arguments=arguments,
            env=tuple(f"{key}={value}" for key, value in compiler.draft.env.items()),
            cwd=absolute_path("/", compiler.draft.working_dir),
            user=compiler.draft.config.user,
            mounts=tuple(_mount(compiler, text) for text in line.mounts),
            network=line.network,
            security=line.security,
            script=script,
            platform=compiler.stage.platform,
        )
    )
    created_by = " ".join([*compiler.draft.run_prefix(), *arguments])
    compiler.draft.record(f"RUN {created_by}", layer=True)


def _command(draft: Draft, line: ins.Run) -> tuple[tuple[str, ...], str | None]:
    """The program's arguments, and the text of a script that the step needs as a file."""
    if not line.is_shell:
        return line.arguments, None
    text = " ".join(line.arguments)
    if line.heredocs:
        words = text.split()
        only, used = heredoc_at(words, 0)
        first = line.heredocs[0]
        if only is not None and used == len(words) and first.content.startswith("#!"):
            return (*draft.shell, f"/dev/pipes/{first.name}"), first.text
        if only is not None and used == len(words):
            text = first.text
        else:
            # The shell reads the documents itself: give them back as they stood.
            text += "".join(f"\n{document.content}{document.name}" for document in line.heredocs)
    return (*draft.shell, text), None


def _summary(content: str) -> str:
    first, _, rest = content.strip().partition("\n")
    return first[:72] + ("..." if rest or len(first) > 72 else "")


def _mount(compiler: _Compiler, text: str) -> StepMount:
    mount = parse_mount(text, compiler.word)
    target = mount.target and absolute_path(compiler.draft.working_dir, mount.target)
    origin: Origin = FromContext()
    if mount.source_stage:
        origin = compiler.plan.origin(mount.source_stage)
    return StepMount(_with_defaults(replace(mount, target=target)), origin)


def _with_defaults(mount: RunMount) -> RunMount:
    """A cache without an id is known by its target."""
    if mount.kind == "cache" and not mount.id:
        return replace(mount, id=mount.target)
    return mount


def _copy(compiler: _Compiler, line: ins.Copy) -> None:
    origin: Origin = FromContext()
    if line.source_stage:
        origin = compiler.plan.origin(line.source_stage)
    step = _transfer(compiler, line, origin)
    for source in step.sources:
        if _is_git(source) or _URL.match(source):
            raise Misuse(f"source can't be a URL for COPY: {source}")
    compiler.steps.append(replace(step, parents=line.parents))
    _record_transfer(compiler, step, "COPY --parents" if line.parents else "COPY")


def _add(compiler: _Compiler, line: ins.Add) -> None:
    step = _transfer(compiler, line, FromContext())
    from_git = [source for source in step.sources if _is_git(source)]
    if line.keep_git_dir and not from_git:
        raise Misuse("ADD --keep-git-dir is for git repositories")
    if line.checksum and (len(step.sources) != 1 or not (from_git or _URL.match(step.sources[0]))):
        raise Misuse("checksum requires one HTTP(S) or git source")
    compiler.steps.append(
        replace(
            step,
            is_add=True,
            unpack=line.unpack is not False,
            unpack_remote=line.unpack is True,
            checksum=compiler.word(line.checksum),
            keep_git_dir=line.keep_git_dir,
        )
    )
    _record_transfer(compiler, step, "ADD")


def _is_git(source: str) -> bool:
    try:
        return is_git_url(source)
    except SampanError as error:
        raise Misuse(error.message) from None


def _transfer(compiler: _Compiler, line: ins.Transfer, origin: Origin) -> CopyStep:
    chmod = compiler.word(line.chmod)
    if chmod:
        parse_mode_change(chmod)
    name, location, marks = compiler.place(line)
    return CopyStep(
        name,
        location,
        marks,
        origin=origin,
        sources=tuple(compiler.word(source) for source in line.sources),
        documents=tuple(_expanded(compiler, document) for document in line.documents),
        destination=_destination(compiler.draft.working_dir, compiler.word(line.destination)),
        shown_destination=compiler.word(line.destination),
        chown=compiler.word(line.chown),
        chmod=chmod,
        link=line.link,
        exclude=tuple(compiler.word(pattern) for pattern in line.exclude),
    )


def _expanded(compiler: _Compiler, document: Heredoc) -> Heredoc:
    """The document as the file that it becomes; quotes in it are just quotes."""
    text = document.text
    if document.expand:
        text = Expander(plain_quotes=True).word(text, compiler.draft.env)
    return Heredoc(document.name, content=text)


def _record_transfer(compiler: _Compiler, step: CopyStep, command: str) -> None:
    words = [command]
    words += [f"--chown={step.chown}"] if step.chown else []
    words += [f"--chmod={step.chmod}"] if step.chmod else []
    words += [*step.sources, *(f"<<{document.name}" for document in step.documents), step.shown_destination]
    compiler.draft.record(" ".join(words), layer=True)


def _cmd(compiler: _Compiler, line: ins.Cmd) -> None:
    words = _command_line(compiler.draft, line)
    # ArgsEscaped means something on Windows only, but Docker's builder sets it and tools compare configs.
    compiler.draft.change(cmd=words, args_escaped=True)
    compiler.draft.cmd_is_own = True
    compiler.draft.record(f"CMD {go_quoted_list(words)}")


def _entrypoint(compiler: _Compiler, line: ins.Entrypoint) -> None:
    """A CMD that came from the base was for the base's entry point; the stage's own stays."""
    words = _command_line(compiler.draft, line)
    compiler.draft.change(entrypoint=words)
    if not compiler.draft.cmd_is_own:
        compiler.draft.change(cmd=None)
    compiler.draft.record(f"ENTRYPOINT {go_quoted_list(words)}")


def _command_line(draft: Draft, line: ins.CommandLine) -> tuple[str, ...]:
    return (*draft.shell, " ".join(line.arguments)) if line.is_shell and line.arguments else line.arguments


def _expose(compiler: _Compiler, line: ins.Expose) -> None:
    ports: list[str] = []
    for text in line.ports:
        for word in compiler.expander.words(text, compiler.draft.env):
            ports += parse_exposed(word)
    ports.sort()
    exposed = dict.fromkeys([*compiler.draft.config.exposed_ports, *ports])
    compiler.draft.change(exposed_ports=tuple(exposed))
    compiler.draft.record(f"EXPOSE [{' '.join(ports)}]")


def _user(compiler: _Compiler, line: ins.User) -> None:
    user = compiler.word(line.user)
    compiler.draft.change(user=user)
    compiler.draft.record(f"USER {user}")


def _volume(compiler: _Compiler, line: ins.Volume) -> None:
    paths = tuple(compiler.word(path) for path in line.paths)
    if not all(paths):
        raise Misuse("VOLUME specified can not be an empty string")
    compiler.draft.change(volumes=tuple(dict.fromkeys([*compiler.draft.config.volumes, *paths])))
    compiler.draft.record(f"VOLUME [{' '.join(paths)}]")


def _shell(compiler: _Compiler, line: ins.Shell) -> None:
    compiler.draft.change(shell=line.arguments)
    compiler.draft.record(f"SHELL [{' '.join(line.arguments)}]")


def _stopsignal(compiler: _Compiler, line: ins.Stopsignal) -> None:
    signal = compiler.word(line.signal)
    check_signal(signal)
    compiler.draft.change(stop_signal=signal)
    compiler.draft.record(f"STOPSIGNAL {signal}")


def _healthcheck(compiler: _Compiler, line: ins.Healthcheck) -> None:
    """Replaces an inherited check as a whole."""
    check = Healthcheck(
        test=line.test,
        interval_ns=line.interval_ns,
        timeout_ns=line.timeout_ns,
        start_period_ns=line.start_period_ns,
        start_interval_ns=line.start_interval_ns,
        retries=line.retries,
    )
    compiler.draft.change(healthcheck=check)
    compiler.draft.record(describe_healthcheck(check))


def _onbuild(compiler: _Compiler, line: ins.Onbuild) -> None:
    """A trigger is the child's business, but Docker's builders keep it out of the history."""
    compiler.draft.change(on_build=(*compiler.draft.config.on_build, line.trigger))


def absolute_path(base: str, path: str) -> str:
    """A clean absolute path, relative ones from the base."""
    joined = posixpath.normpath(posixpath.join("/", base, path))
    return "/" + joined.lstrip("/")


def _destination(working_dir: str, text: str) -> str:
    """Absolute, with a slash at the end where it must be a folder."""
    path = absolute_path(working_dir, text)
    if (text.endswith(("/", "/.")) or text == ".") and path != "/":
        return path + "/"
    return path


_COMPILERS: Mapping[type[ins.Instruction], Callable[..., None]] = {
    ins.Add: _add,
    ins.Arg: _arg,
    ins.Cmd: _cmd,
    ins.Copy: _copy,
    ins.Entrypoint: _entrypoint,
    ins.Env: _env,
    ins.Expose: _expose,
    ins.Healthcheck: _healthcheck,
    ins.Label: _label,
    ins.Maintainer: _maintainer,
    ins.Onbuild: _onbuild,
    ins.Run: _run,
    ins.Shell: _shell,
    ins.Stopsignal: _stopsignal,
    ins.User: _user,
    ins.Volume: _volume,
    ins.Workdir: _workdir,
}
