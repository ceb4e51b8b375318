# SPDX-License-Identifier: Apache-2.0
"""The labels by which containers, networks and volumes belong to a project: Docker Compose's own."""

from __future__ import annotations

PREFIX = "com.docker.compose."

PROJECT = PREFIX + "project"
SERVICE = PREFIX + "service"
NUMBER = PREFIX + "container-number"
ONE_OFF = PREFIX + "oneoff"
CONFIG_HASH = PREFIX + "config-hash"
WORKING_DIR = PREFIX + "project.working_dir"
CONFIG_FILES = PREFIX + "project.config_files"
ENVIRONMENT_FILE = PREFIX + "project.environment_file"
VERSION = PREFIX + "version"
DEPENDS_ON = PREFIX + "depends_on"
IMAGE = PREFIX + "image"
REPLACES = PREFIX + "replace"
SLUG = PREFIX + "slug"
NETWORK = PREFIX + "network"
VOLUME = PREFIX + "volume"

# Ours: short digests of a service's keys, so that the reason of a change can be told (see `fingerprint`).
FINGERPRINT = "io.sampan.compose.fingerprint"

# What these labels and names are those of.
COMPOSE_VERSION = "2.40.3"
