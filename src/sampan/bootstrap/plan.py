# SPDX-License-Identifier: Apache-2.0
"""A recipe as one mmdebstrap command: its arguments, its environment, and the files it reads.

Pure: nothing is run and nothing is written here; `rootfs` does both. The order of events inside mmdebstrap is
the base unpacked, the extract hook (what slim images leave out), the base installed, the essential hook (the
recipe's users), all other packages, the customize hook (script, files, probes, removals). The root filesystem
comes out of its standard output as a tar.
Holds: what a build leaves behind depends on the recipe, the archive's state and the epoch only. The host's
name, resolver, proxies and CA certificates are used while building and do not stay.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from sampan.bootstrap.host import HostFacts
from sampan.bootstrap.recipe import File, Recipe, User

# tar keeps modes and links, and does not replace a directory of the image's that is itself a link.
_LAY_OVER = (
    "tar --directory=stage --owner=0 --group=0 --numeric-owner -cf - . | "
    'tar --directory="$1" --keep-directory-symlink --no-overwrite-dir -xpf -'
)

PROBE_MARK = "sampan-probe: "

# What the official slim images leave out; licences stay.
SLIM_EXCLUDES = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/linda/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/share/groff/*",
)
SLIM_INCLUDES = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")

_CLEAN = (
    b"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"
)

_POLICY = (
    "#!/bin/sh\n# No services are started by installing them: the service is the image's command.\nexit 101\n"
)

# The official images' own settings of apt: no lists and archives kept.
IMAGE_FILES = (
    File(
        "/etc/apt/apt.conf.d/docker-clean",
        b'DPkg::Post-Invoke { "' + _CLEAN + b'"; };\nAPT::Update::Post-Invoke { "' + _CLEAN + b'"; };\n'
        b'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n',
    ),
    File("/etc/apt/apt.conf.d/docker-no-languages", b'Acquire::Languages "none";\n'),
    File("/etc/apt/apt.conf.d/docker-gzip-indexes", b'Acquire::GzipIndexes "true";\n'),
    File("/etc/apt/apt.conf.d/docker-autoremove-suggests", b'Apt::AutoRemove::SuggestsImportant "false";\n'),
)

# Traces of the machine and of the installation. resolv.conf and hostname are bind-mounted over at run time.
LEFTOVERS = (
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "var/lib/apt/lists/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/*-old",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
    "run/*",
    "tmp/*",
)


@dataclass(frozen=True, slots=True)
class BootstrapPlan:
    """One run of mmdebstrap; `files` lie in the working directory with names relative to it."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    files: tuple[File, ...]

    def describe(self) -> str:
        """The command as a person would type it."""
        return shlex.join(self.argv)


def plan_bootstrap(recipe: Recipe, host: HostFacts, *, work: str, epoch: int) -> BootstrapPlan:
    """The command that makes `recipe`'s root filesystem, with its hooks in the directory `work`."""
    argv = [
        "mmdebstrap",
        "--verbose",
        f"--variant={recipe.variant}",
        "--format=tar",
        "--skip=output/dev,chroot/policy-rc.d",
    ]
    argv += [f"--aptopt={option}" for option in host.apt_options]
    argv += [f"--keyring={path}" for path in host.keyrings]
    argv.append("--dpkgopt=force-unsafe-io")
    if recipe.packages:
        argv.append("--include=" + ",".join(recipe.packages))
    argv += _hooks(recipe, work)
    argv += [recipe.suite, "-", *host.sources(recipe.suite)]
    environment = {"SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    files = (
        File("extract", _extract_hook(recipe).encode(), 0o755),
        File("essential", _essential_hook(recipe.users).encode(), 0o755),
        File("customize", _customize_hook(recipe, host, work).encode(), 0o755),
        File("script", _inside_script(recipe).encode(), 0o644),
        *(_staged(file) for file in image_files(recipe)),
    )
    return BootstrapPlan(tuple(argv), environment, files)


def _hooks(recipe: Recipe, work: str) -> list[str]:
    if recipe.variant == "extract":
        # Nothing is installed then, so mmdebstrap has no later hook, and nothing of apt's to clean up.
        return [f"--extract-hook={work}/customize", "--skip=cleanup"]
    names = ("extract", "essential", "customize")
    return [f"--{name}-hook={work}/{name}" for name in names]


def image_files(recipe: Recipe) -> tuple[File, ...]:
    """The files that are laid over the installed packages: Debian images' own, then the recipe's."""
    if recipe.variant == "extract":
        return recipe.files
    return (*IMAGE_FILES, *recipe.files)


def _extract_hook(recipe: Recipe) -> str:
    """Dpkg's configuration, and what it says done once for the packages that are unpacked already.

    mmdebstrap's --dpkgopt=path-exclude would pass every package through a filter that takes longer than all
    the rest. Its own policy-rc.d is skipped: it would take ours away with it at the end.
    """
    excludes = [f"path-exclude={path}" for path in (*SLIM_EXCLUDES, *recipe.exclude)]
    rules = excludes + [f"path-include={path}" for path in (*SLIM_INCLUDES, *recipe.keep)]
    lines = [
        "#!/bin/sh",
        "set -eu",
        'mkdir -p "$1/etc/dpkg/dpkg.cfg.d"',
        f"printf '%s\\n' {shlex.join(rules)} > \"$1/etc/dpkg/dpkg.cfg.d/docker\"",
        f'printf %s {shlex.quote(_POLICY)} > "$1/usr/sbin/policy-rc.d"',
        'chmod 0755 "$1/usr/sbin/policy-rc.d"',
        'find "$1/usr/share/doc" ! -type d ! -name copyright -delete',
        'find "$1/usr/share/locale" ! -type d ! -name locale.alias -delete',
        'find "$1/usr/share/locale" -mindepth 1 -type d -empty -delete',
        *(f'rm -rf "$1"{path}' for path in SLIM_EXCLUDES if not path.endswith(("doc/*", "locale/*"))),
    ]
    return "\n".join(lines) + "\n"


def _staged(file: File) -> File:
    return File("stage/" + file.path.lstrip("/"), file.content, file.mode, file.link)


def _essential_hook(users: Sequence[User]) -> str:
    lines = ["#!/bin/sh", "set -eu"]
    for user in users:
        passwd = f"{user.name}:x:{user.uid}:{user.gid}::{user.home}:{user.shell}"
        lines.append(f'echo {shlex.quote(passwd)} >> "$1/etc/passwd"')
        lines.append(f'echo {shlex.quote(f"{user.name}:x:{user.gid}:")} >> "$1/etc/group"')
        lines.append(
            f'[ ! -e "$1/etc/shadow" ] || echo {shlex.quote(f"{user.name}:*:::::::")} >> "$1/etc/shadow"'
        )
    return "\n".join(lines) + "\n"


def _customize_hook(recipe: Recipe, host: HostFacts, work: str) -> str:
    """Runs outside with the root as $1."""
    lines = ["#!/bin/sh", "set -eu", f"cd {shlex.quote(work)}"]
    if host.ca_bundle:
        lines.append(f'cp {shlex.quote(host.ca_bundle)} "$1/.sampan-ca.crt"')
    lines += [
        'chroot "$1" ' + _chroot_command(recipe, host) + " < script >&2",
        _LAY_OVER,
        *_probe_lines(recipe),
        'rm -f "$1/.sampan-ca.crt"',
        *(f'rm -rf "$1"/{path}' for path in (*LEFTOVERS, *recipe.remove)),
    ]
    return "\n".join(lines) + "\n"


def _chroot_command(recipe: Recipe, host: HostFacts) -> str:
    shell = "/bin/busybox sh -eu" if recipe.variant == "extract" else "/bin/sh -eu"
    names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if host.ca_bundle else ()
    certificates = "".join(f" {name}=/.sampan-ca.crt" for name in names)
    environment = (
        f"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8{certificates}"
    )
    # The host's env starts the program after chroot(8) by the inside's own: busybox has one too.
    env = "/bin/busybox env" if recipe.variant == "extract" else "/usr/bin/env"
    return (
        f"{env} -i {environment} DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH {shell}"
    )


def _inside_script(recipe: Recipe) -> str:
    return "\n".join(recipe.scripts) + "\n"


def _probe_lines(recipe: Recipe) -> list[str]:
    return [
        f'echo "{PROBE_MARK}{name}=$(chroot "$1" /bin/sh -c {shlex.quote(command)})" >&2'
        for name, command in recipe.probes.items()
    ]
