#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Start Redis as the user redis. Behaves as the official image's entry point.
set -e

# `-f` or `some.conf` alone are arguments for the server.
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
	set -- redis-server "$@"
fi

if [ "$1" = 'redis-server' ]; then
	# The official image is built without protected mode, for a container's port is closed until it is published.
	# Said here only where neither a configuration file nor the command line may say otherwise.
	case "${2:-}" in
		*.conf) ;;
		*) case " $* " in *' --protected-mode '*) ;; *) set -- "$@" --protected-mode no ;; esac ;;
	esac
	if [ "$(id -u)" = '0' ]; then
		find . \! -user redis -exec chown redis '{}' +
		set -- gosu redis "$@"
	fi
fi

# Its files are for its own user, unless somebody chose a mask.
if [ "$(umask)" = '0022' ]; then
	umask 0077
fi
exec "$@"
