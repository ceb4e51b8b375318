#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Create the database where there is none, and end: for jobs that run before the server's container.
set -Eeuo pipefail
# shellcheck source=docker-entrypoint.sh
source /usr/local/bin/docker-entrypoint.sh

if [ "$#" -eq 0 ] || [ "$1" != 'postgres' ]; then
	set -- postgres "$@"
fi
docker_setup_env
docker_create_db_directories
if [ "$(id -u)" = '0' ]; then
	exec gosu postgres "${BASH_SOURCE[0]}" "$@"
fi
if [ -n "$DATABASE_ALREADY_EXISTS" ]; then
	echo >&2 "$(basename "${BASH_SOURCE[0]}"): a database exists in $PGDATA"
	exit 0
fi
docker_verify_minimum_env
docker_init_database_dir
pg_setup_hba_conf "$@"
export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
docker_temp_server_start "$@"
docker_setup_db
docker_process_init_files /docker-entrypoint-initdb.d/*
docker_temp_server_stop
