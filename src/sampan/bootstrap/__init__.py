# SPDX-License-Identifier: Apache-2.0
"""Base images without a registry: built from Debian's packages by recipes that are data.

A recipe (`recipe`) names a suite, packages, files and an image config. The catalogue (`catalogue`) holds
the package's own recipes; anybody's file works the same. `plan` turns a recipe into one mmdebstrap command
and its hook scripts, `rootfs` runs it, `docker_archive` packs the result, `cache` keeps it, and `command` is
what ``sampan bootstrap`` calls.
"""
