# SPDX-License-Identifier: Apache-2.0
"""Git repositories as sources: a build's context, a named context, ADD.

Implements: Docker's "Git repositories" as build contexts: ``URL#REF:SUBDIR`` and the query form
``URL?ref=…&subdir=…&checksum=…&keep-git-dir=…&submodules=…``.
Holds: the user's and the machine's git configuration, hooks and helpers are left out; only http(s), ssh and git
are spoken; nobody is asked for a password. What has been fetched once is kept, and a commit that is there is not
fetched again. A checkout has no ``.git`` unless it was asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from sampan.errors import Cancelled, DataCorrupt, InvalidArgument, NotFound, Unavailable
from sampan.linux.tree import remove_tree

_SCP = re.compile(r"(?:[A-Za-z0-9._-]+@)[A-Za-z0-9.\[\]:-]+:(?!//)")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
_HOSTS = ("github.com/", "gitlab.com/", "bitbucket.org/")
_SCHEMES = ("http", "https", "ssh", "git")
_POLL_S = 0.05
_TIMEOUT_S = 600.0
_ALONE = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ASKPASS": "true",
    "GIT_ALLOW_PROTOCOL": "http:https:ssh:git",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new",
    "LC_ALL": "C",
}
_SETTINGS = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", "-c", "gc.auto=0")


@dataclass(frozen=True, slots=True)
class GitSource:
    """A repository, what of it is wanted, and the folder in it; `commit` is what `ref` has to be."""

    remote: str
    ref: str = ""
    subdir: str = ""
    commit: str = ""
    keep_git_dir: bool = False
    submodules: bool = True


def is_git_url(text: str) -> bool:
    """Whether a source is a git repository rather than a file or a download."""
    return parse_git_url(text) is not None


def parse_git_url(text: str) -> GitSource | None:
    """The repository that a text names; None when it names none, InvalidArgument when it does so wrongly."""
    if _SCP.match(text):
        remote, _, fragment = text.partition("#")
        return _with_fragment(GitSource(remote), fragment)
    if text.startswith(_HOSTS):
        text = f"https://{text}"
        is_repository = True
    else:
        is_repository = False
    try:
        parts = urlsplit(text)
    except ValueError as error:  # brackets that are no address of IPv6
        if text.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)):
            raise InvalidArgument(f"invalid URL {text}: {error}") from None
        return None
    if parts.scheme not in _SCHEMES or not parts.netloc:
        return None
    is_repository = is_repository or parts.scheme in ("ssh", "git") or parts.path.endswith(".git")
    if not is_repository:
        return None
    source = GitSource(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")))
    source = _with_fragment(source, unquote(parts.fragment))
    return _with_query(source, parts.query)


def _with_fragment(source: GitSource, fragment: str) -> GitSource:
    ref, _, subdir = fragment.partition(":")
    return replace(source, ref=ref, subdir=_inside(subdir))


def _with_query(source: GitSource, query: str) -> GitSource:
    for name, value in parse_qsl(query, keep_blank_values=True):
        match name:
            case "ref" | "branch" | "tag":
                prefix = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(name, "")
                source = replace(source, ref=prefix + value.removeprefix(prefix))
            case "subdir":
                source = replace(source, subdir=_inside(value))
            case "checksum" | "commit":
                source = replace(source, commit=value)
            case "keep-git-dir":
                source = replace(source, keep_git_dir=_truth(name, value))
            case "submodules":
                source = replace(source, submodules=_truth(name, value))
            case _:
                raise InvalidArgument(f'git source {source.remote}: unexpected query key "{name}"')
    return source


def _truth(name: str, value: str) -> bool:
    if value.lower() not in ("", "1", "true", "0", "false"):
        raise InvalidArgument(f'git source: {name} is "{value}": expected true or false')
    return value.lower() in ("", "1", "true")


def _inside(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidArgument(f"git source: subdir {path} leaves the repository")
    return "/".join(parts)


class GitCache:
    """Repositories that have been fetched, each as a bare one below `root`."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._commits: dict[str, str] = {}

    def check_out(
        self,
        source: GitSource,
        folder: str,
        *,
        env: Mapping[str, str],
        is_stopped: Callable[[], bool],
        say: Callable[[bytes], None],
    ) -> str:
        """Put the wanted commit into an empty folder; gives its hash.

        `env` are proxy variables and, for ssh, SSH_AUTH_SOCK. Raises NotFound for a repository or ref that is not
        there, Unavailable when nobody answers, DataCorrupt when the commit is another than `source.commit`.
        """
        _refuse_options(source)
        git = _Git(env, is_stopped, say)
        bare = os.path.join(self._root, hashlib.sha256(source.remote.encode()).hexdigest())
        if not os.path.isdir(bare):
            self._make(git, bare)
        commit = self._fetch(git, bare, source)
        if source.commit and not commit.startswith(source.commit):
            raise DataCorrupt(
                f"git source {source.remote}: expected checksum to match {source.commit}, got {commit}"
            )
        _check_out(git, bare, folder, source, commit)
        self._commits = {path: one for path, one in self._commits.items() if os.path.isdir(path)}
        self._commits[folder] = commit
        return commit

    def commit_of(self, folder: str) -> str:
        """The commit that a folder, or the one that it is in, is a checkout of; empty if it is none of ours."""
        return next(
            (self._commits[path] for path in self._commits if f"{folder}/".startswith(f"{path}/")), ""
        )

    def sweep(self) -> None:
        """Remove what a killed fetch has left half made."""
        if os.path.isdir(self._root):
            for name in os.listdir(self._root):
                if name.endswith(".partial"):
                    remove_tree(os.path.join(self._root, name))

    def _make(self, git: _Git, bare: str) -> None:
        partial = f"{bare}.{os.getpid()}.partial"
        os.makedirs(partial, mode=0o700)
        git("init", "--quiet", "--bare", partial)
        try:
            os.rename(partial, bare)
        except OSError:  # another build was faster
            remove_tree(partial)

    def _fetch(self, git: _Git, bare: str, source: GitSource) -> str:
        wanted = source.ref or source.commit or "HEAD"
        if _COMMIT.match(wanted) and _has(git, bare, wanted):
            return wanted
        if not _COMMIT.match(wanted):
            wanted = _resolve(git, source.remote, wanted)
            if _has(git, bare, wanted):
                return wanted
        git("--git-dir", bare, "fetch", "--quiet", "--no-tags", "--depth=1", source.remote, wanted)
        return git("--git-dir", bare, "rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()


def _refuse_options(source: GitSource) -> None:
    """A name that begins with a dash would be an option of git's."""
    for text in (source.remote, source.ref, source.commit):
        if text.startswith("-"):
            raise InvalidArgument(f"git source: {text!r} is not a name")


def _resolve(git: _Git, remote: str, wanted: str) -> str:
    """The commit that a ref stands for now; the peeled one for an annotated tag."""
    names = ["HEAD"] if wanted == "HEAD" else [wanted, f"{wanted}^{{}}"]
    found: dict[str, str] = {}
    for line in git("ls-remote", "--quiet", remote, *names).splitlines():
        commit, _, name = line.partition("\t")
        found[name] = commit
    for prefix in ("", "refs/heads/", "refs/tags/", "refs/"):
        for suffix in ("^{}", ""):
            if f"{prefix}{wanted}{suffix}" in found:
                return found[f"{prefix}{wanted}{suffix}"]
    if _SHORT_COMMIT.match(wanted):
        raise NotFound(
            f"failed to load cache key: repository does not contain ref {wanted}: {remote}",
            hint="give a commit's whole hash, or a branch or tag",
        )
    raise NotFound(f"failed to load cache key: repository does not contain ref {wanted}: {remote}")


def _has(git: _Git, bare: str, commit: str) -> bool:
    try:
        git("--git-dir", bare, "cat-file", "-e", f"{commit}^{{commit}}")
    except Unavailable:
        return False
    return True


def _check_out(git: _Git, bare: str, folder: str, source: GitSource, commit: str) -> None:
    git("init", "--quiet", folder)
    inside = ("-C", folder)
    local = {"GIT_ALLOW_PROTOCOL": "file:" + _ALONE["GIT_ALLOW_PROTOCOL"]}
    git(*inside, "fetch", "--quiet", "--no-tags", "--depth=1", bare, commit, more=local)
    git(*inside, "remote", "add", "origin", source.remote)
    git(*inside, "checkout", "--quiet", "--force", "--detach", commit)
    if source.submodules and os.path.exists(os.path.join(folder, ".gitmodules")):
        git(*inside, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
    if not source.keep_git_dir:
        _strip(folder)
    _date(folder, int(git("--git-dir", bare, "show", "--no-patch", "--format=%ct", commit)))


def _date(folder: str, time_s: int) -> None:
    """Let all files be as old as the commit: a checkout of another day is the same."""
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.utime(os.path.join(path, name), (time_s, time_s), follow_symlinks=False)


def _strip(folder: str) -> None:
    """Without ``.git``, in submodules, too."""
    for path, folders, files in os.walk(folder, topdown=True):
        if ".git" in folders:
            folders.remove(".git")
            remove_tree(os.path.join(path, ".git"))
        if ".git" in files:
            os.unlink(os.path.join(path, ".git"))


class _Git:
    """Runs git without anybody's configuration; stops it when the build is stopped."""

    def __init__(
        self, env: Mapping[str, str], is_stopped: Callable[[], bool], say: Callable[[bytes], None]
    ) -> None:
        self._env = {"PATH": os.defpath + ":/usr/local/bin", "HOME": "/nonexistent", **env, **_ALONE}
        self._is_stopped = is_stopped
        self._say = say

    def __call__(self, *arguments: str, more: Mapping[str, str] | None = None) -> str:
        command = ["git", *_SETTINGS, *arguments]
        try:
            process = subprocess.Popen(
                command,
                env={**self._env, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Unavailable("git is not on this machine", hint="install the package git") from None
        with process:
            output, errors = self._wait(process)
        if process.returncode:
            raise _failure(arguments, errors)
        if errors:
            self._say(errors)
        return output.decode(errors="replace")

    def _wait(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                return process.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                if self._is_stopped():
                    process.kill()
                    raise Cancelled("fetch of a git repository stopped") from None
                if time.monotonic() > deadline:
                    process.kill()
                    raise Unavailable(f"git did not end within {_TIMEOUT_S:.0f} s") from None


def _failure(arguments: Sequence[str], errors: bytes) -> Unavailable:
    words = errors.decode(errors="replace").strip().splitlines()
    said = next((line for line in words if line.startswith(("fatal:", "error:"))), words[-1] if words else "")
    verb = next(word for word in arguments if word in _VERBS)
    return Unavailable(f"git {verb}: {said.removeprefix('fatal: ').removeprefix('error: ') or 'failed'}")


_VERBS = frozenset(
    ("init", "fetch", "rev-parse", "ls-remote", "cat-file", "remote", "checkout", "submodule", "show")
)
