#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make .venv with Sampan and its development tools, and install the few system packages it needs.
#
#   tools/setup.sh [--test]     --test: also what only the tests need (other runtimes and tools to compare with)
#
# Nothing is done twice: a second run checks and ends. Needs apt only where something is missing, and root or sudo only
# then.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(busybox-static ca-certificates debian-archive-keyring libseccomp2 mmdebstrap)
test_packages=(apache2-utils docker-compose docker-registry git iproute2 openssh-client openssl podman procps runc skopeo)
[ "${1:-}" != --test ] || packages+=("${test_packages[@]}")

say() { printf '%s\n' "$*" >&2; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo > /dev/null || { say "error: not root, and there is no sudo to run: $*"; exit 1; }
		sudo "$@"
	fi
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

install_packages() {
	command -v apt-get > /dev/null || {
		say "error: apt-get is not here; install by hand: $*"
		exit 1
	}
	say "installing $*"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null
}

ensure_packages() {
	local missing=() name
	for name in "${packages[@]}"; do
		is_installed "$name" || missing+=("$name")
	done
	[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
}

# A Python of 3.11 or newer that can make virtual environments; Debian packs that part by itself.
find_python() {
	local name
	for name in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
		[ -n "$name" ] && command -v "$name" > /dev/null || continue
		if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
			command -v "$name"
			return
		fi
	done
	return 1
}

ensure_venv() {
	local wanted stamp=.venv/.sampan-setup python
	wanted="$(cat pyproject.toml tools/setup.sh | sha256sum) $PWD"
	[ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || [ ! -x .venv/bin/sampan ] || return 0
	if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
		python=$(find_python) || {
			install_packages python3 python3-venv
			python=$(find_python) || { say 'error: no Python of 3.11 or newer; set PYTHON to one'; exit 1; }
		}
		say "making .venv with $("$python" --version)"
		"$python" -m venv --clear .venv
	fi
	say 'installing Sampan and its tools into .venv'
	# Dependency groups came with pip 25.1.
	.venv/bin/python -m pip install -qq --disable-pip-version-check 'pip>=25.1'
	.venv/bin/python -m pip install -qq --disable-pip-version-check --editable . --group dev
	write_launcher
	printf '%s' "$wanted" > "$stamp"
}

# Half of what a short command takes is Python's start. pip's launcher has it read every .pth file, too; this one
# names the two folders itself (-S), and nothing from the environment or the current folder gets in between (-I).
write_launcher() {
	local python="$PWD/.venv/bin/python" packages
	packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	case "$python" in *[!A-Za-z0-9/._-]*) return ;; esac # a #! line cannot name it: pip's launcher stays
	cat > .venv/bin/sampan.new <<- EOF
		#!$python -IS
		import sys
		sys.path += ["$PWD/src", "$packages"]
		from sampan.cli.main import console
		console()
	EOF
	chmod +x .venv/bin/sampan.new
	mv .venv/bin/sampan.new .venv/bin/sampan
}

# As pip does with what it installs: an engine would spend half of its start on this where nothing may be written.
compile_sources() { .venv/bin/python -m compileall -q src; }

ensure_packages
ensure_venv
compile_sources
if [ "${1:-}" = --test ] && command -v apt-get > /dev/null; then
	.venv/bin/python tools/docker_clients.py
fi
