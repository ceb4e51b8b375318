#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# /etc/nginx/templates/NAME.template becomes /etc/nginx/conf.d/NAME, with the environment's variables put in.
set -e

templates="${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}"
suffix="${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}"
output="${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}"
filter="${NGINX_ENVSUBST_FILTER:-}"

[ -d "$templates" ] || exit 0
if [ ! -w "$output" ]; then
	echo "$0: ERROR: $templates exists, but $output is not writable"
	exit 0
fi
# Only variables that are set are put in: nginx has variables of its own, spelt the same.
defined=$(printf '${%s} ' $(awk -v filter="$filter" 'BEGIN { for (name in ENVIRON) if (name ~ filter) print name }'))
find "$templates" -follow -type f -name "*$suffix" | while read -r template; do
	name="${template#"$templates/"}"
	target="$output/${name%"$suffix"}"
	mkdir -p "$(dirname "$target")"
	envsubst "$defined" < "$template" > "$target"
done
