#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make the secrets that compose.yaml names, where they are missing. The folder is closed to other users; the files are
# readable, because the application reads them as a user that this machine does not know.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 0700 secrets
for name in db_password django_key; do
    [ -s "secrets/$name" ] || head -c 48 /dev/urandom | base64 -w 0 | tr '+/' '-_' > "secrets/$name"
    chmod 0444 "secrets/$name"
done
