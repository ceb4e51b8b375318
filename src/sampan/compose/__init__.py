# SPDX-License-Identifier: Apache-2.0
"""Compose: projects of several services, as the Compose specification describes them.

Reading is pure but for the files that a project names: `loading` finds and parses them into trees that know
where each value stands (`tree`), merges, validates and normalises, and gives the typed `model`. What has to
be done to bring a project up or down is planned as data (`plan`), and what a service becomes as a container
is worked out in `creation`; doing it is the business of whoever holds an engine.

Implements: the Compose specification (compose-spec.json beside this file), and where that leaves room,
what Docker Compose 2.40 does: its labels, names and configuration hashes, so that either can go on with a
project that the other has started.
"""
