#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Start PostgreSQL, and create its data directory first where there is none.
#
# Behaves as the official image's entry point. Variables: POSTGRES_PASSWORD, POSTGRES_USER (postgres), POSTGRES_DB
# (the user's name), POSTGRES_INITDB_ARGS, POSTGRES_INITDB_WALDIR, POSTGRES_HOST_AUTH_METHOD, and each but the last
# two also as NAME_FILE, a file that holds the value. What lies in /docker-entrypoint-initdb.d (*.sh, *.sql,
# *.sql.gz, *.sql.xz, *.sql.zst) runs once, in the order of its names, against a server that nobody else reaches.
# Any other command than postgres is run as it is. Sourced by another script, it only defines its functions.
set -Eeo pipefail

die() {
	printf >&2 'error: %s\n' "$@"
	exit 1
}

# file_env NAME [DEFAULT]: NAME from the variable, or from the file that NAME_FILE names, or DEFAULT.
file_env() {
	local name="$1" file_name="${1}_FILE" value="${2:-}"
	if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
		die "both $name and $file_name are set (but are exclusive)"
	fi
	if [ -n "${!name:-}" ]; then
		value="${!name}"
	elif [ -n "${!file_name:-}" ]; then
		value="$(<"${!file_name}")"
	fi
	export "$name"="$value"
	unset "$file_name"
}

_is_sourced() {
	[ "${#FUNCNAME[@]}" -ge 2 ] && [ "${FUNCNAME[0]}" = '_is_sourced' ] && [ "${FUNCNAME[1]}" = 'source' ]
}

docker_create_db_directories() {
	mkdir -p "$PGDATA"
	# A bind mount may refuse: the server itself tells what is wrong then.
	chmod 00700 "$PGDATA" || :
	mkdir -p /var/run/postgresql || :
	chmod 03775 /var/run/postgresql || :
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		chmod 700 "$POSTGRES_INITDB_WALDIR"
	fi
	if [ "$(id -u)" = '0' ]; then
		local places=("$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"})
		find "${places[@]}" \! -user postgres -exec chown postgres '{}' +
	fi
}

docker_init_database_dir() {
	# initdb wants a name for the user it runs as; an arbitrary --user has none, so one is made up.
	local uid
	uid="$(id -u)"
	if ! getent passwd "$uid" &> /dev/null; then
		local library
		for library in /usr/lib/*/libnss_wrapper.so; do
			[ -s "$library" ] || continue
			NSS_WRAPPER_PASSWD="$(mktemp)"
			NSS_WRAPPER_GROUP="$(mktemp)"
			export LD_PRELOAD="$library" NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
			printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$uid" "$(id -g)" "$PGDATA" > "$NSS_WRAPPER_PASSWD"
			printf 'postgres:x:%s:\n' "$(id -g)" > "$NSS_WRAPPER_GROUP"
			break
		done
	fi
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		set -- --waldir "$POSTGRES_INITDB_WALDIR" "$@"
	fi
	# POSTGRES_INITDB_ARGS is a command line's end: its quotes are the user's.
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"' "$@"'
	if [[ "${LD_PRELOAD:-}" == */libnss_wrapper.so ]]; then
		rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
		unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
	fi
}

docker_verify_minimum_env() {
	if [ "${#POSTGRES_PASSWORD}" -ge 100 ]; then
		echo >&2 'warning: POSTGRES_PASSWORD is longer than 100 characters; some old clients cannot send it'
	fi
	if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != 'trust' ]; then
		die 'Database is uninitialized and superuser password is not specified.' \
			'       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser,' \
			'       for example "-e POSTGRES_PASSWORD=password" on "docker run".' \
			'       "POSTGRES_HOST_AUTH_METHOD=trust" allows all connections without a password; this is not recommended.'
	fi
	if [ "$POSTGRES_HOST_AUTH_METHOD" = 'trust' ]; then
		echo >&2 'warning: POSTGRES_HOST_AUTH_METHOD is set to "trust": anyone who reaches the port has all rights without a password'
	fi
}

docker_process_init_files() {
	local file
	for file; do
		case "$file" in
			*.sh)
				if [ -x "$file" ]; then
					printf '%s: running %s\n' "$0" "$file"
					"$file"
				else
					printf '%s: sourcing %s\n' "$0" "$file"
					# shellcheck disable=SC1090
					. "$file"
				fi
				;;
			*.sql) printf '%s: running %s\n' "$0" "$file"; docker_process_sql -f "$file"; printf '\n' ;;
			*.sql.gz) printf '%s: running %s\n' "$0" "$file"; gunzip -c "$file" | docker_process_sql; printf '\n' ;;
			*.sql.xz) printf '%s: running %s\n' "$0" "$file"; xzcat "$file" | docker_process_sql; printf '\n' ;;
			*.sql.zst) printf '%s: running %s\n' "$0" "$file"; zstd -dc "$file" | docker_process_sql; printf '\n' ;;
			*) printf '%s: ignoring %s\n' "$0" "$file" ;;
		esac
	done
}

docker_process_sql() {
	local query=(psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc)
	if [ -n "$POSTGRES_DB" ]; then
		query+=(--dbname "$POSTGRES_DB")
	fi
	PGHOST='' PGHOSTADDR='' "${query[@]}" "$@"
}

docker_setup_db() {
	local known
	known="$(POSTGRES_DB='' docker_process_sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<-'EOSQL'
		SELECT 1 FROM pg_database WHERE datname = :'db' ;
	EOSQL
	)"
	if [ -z "$known" ]; then
		POSTGRES_DB='' docker_process_sql --dbname postgres --set db="$POSTGRES_DB" <<-'EOSQL'
			CREATE DATABASE :"db" ;
		EOSQL
		printf '\n'
	fi
}

docker_setup_env() {
	file_env 'POSTGRES_PASSWORD'
	file_env 'POSTGRES_USER' 'postgres'
	file_env 'POSTGRES_DB' "$POSTGRES_USER"
	file_env 'POSTGRES_INITDB_ARGS'
	: "${POSTGRES_HOST_AUTH_METHOD:=}"
	DATABASE_ALREADY_EXISTS=''
	if [ -s "$PGDATA/PG_VERSION" ]; then
		DATABASE_ALREADY_EXISTS='true'
	fi
	declare -g POSTGRES_HOST_AUTH_METHOD DATABASE_ALREADY_EXISTS
}

pg_setup_hba_conf() {
	if [ "$1" = 'postgres' ]; then
		shift
	fi
	local method
	method="$(postgres -C password_encryption "$@")"
	: "${POSTGRES_HOST_AUTH_METHOD:=$method}"
	printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"
}

docker_temp_server_start() {
	if [ "$1" = 'postgres' ]; then
		shift
	fi
	set -- "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
	NOTIFY_SOCKET='' PGUSER="${PGUSER:-$POSTGRES_USER}" \
		pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
}

docker_temp_server_stop() {
	PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
}

_pg_want_help() {
	local arg
	for arg; do
		case "$arg" in
			-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

_main() {
	if [ "${1:0:1}" = '-' ]; then
		set -- postgres "$@"
	fi
	if [ "$1" = 'postgres' ] && ! _pg_want_help "$@"; then
		docker_setup_env
		docker_create_db_directories
		if [ "$(id -u)" = '0' ]; then
			exec gosu postgres "${BASH_SOURCE[0]}" "$@"
		fi
		if [ -z "$DATABASE_ALREADY_EXISTS" ]; then
			docker_verify_minimum_env
			# Reading the directory now makes an unreadable one fail before the database is created.
			ls /docker-entrypoint-initdb.d/ > /dev/null
			docker_init_database_dir
			pg_setup_hba_conf "$@"
			export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
			docker_temp_server_start "$@"
			docker_setup_db
			docker_process_init_files /docker-entrypoint-initdb.d/*
			docker_temp_server_stop
			unset PGPASSWORD
			printf '\nPostgreSQL init process complete; ready for start up.\n\n'
		else
			printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
		fi
	fi
	exec "$@"
}

if ! _is_sourced; then
	_main "$@"
fi
