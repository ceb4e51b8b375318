#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prepare the configuration, then start nginx. Behaves as the official image's entry point: what lies in
# /docker-entrypoint.d runs first (*.envsh sourced, *.sh run), in the order of its names.
set -e

entrypoint_log() {
	[ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$@"
}

if [ "$1" = 'nginx' ] || [ "$1" = 'nginx-debug' ]; then
	for file in $(find /docker-entrypoint.d/ -follow -type f | sort -V); do
		if [ ! -x "$file" ]; then
			entrypoint_log "$0: Ignoring $file, not executable or not a script"
			continue
		fi
		case "$file" in
			*.envsh) entrypoint_log "$0: Sourcing $file"; . "$file" ;;
			*.sh) entrypoint_log "$0: Launching $file"; "$file" ;;
			*) entrypoint_log "$0: Ignoring $file" ;;
		esac
	done
	entrypoint_log "$0: Configuration complete; ready for start up"
fi
exec "$@"
