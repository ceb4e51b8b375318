# SPDX-License-Identifier: Apache-2.0
"""The flags between ``sampan compose`` and its subcommand, and the flag that every subcommand has, too."""

from __future__ import annotations

from sampan.cli.flags import number, several, switch, text

PROJECT_FLAGS = (
    switch("all-resources", "Include all resources, even those not used by services"),
    text("ansi", 'Control when to print ANSI control characters ("never"|"always"|"auto")', default="auto"),
    switch("compatibility", "Run compose in backward compatibility mode"),
    switch("dry-run", "Execute command in dry run mode"),
    several("env-file", "Specify an alternate environment file", shows="stringArray"),
    several("file", "Compose configuration files", short="f", shows="stringArray"),
    number("parallel", "Control max parallelism, -1 for unlimited", default=-1),
    several("profile", "Specify a profile to enable", shows="stringArray"),
    text("progress", "Set type of progress output (auto, tty, plain, json, quiet)"),
    text(
        "project-directory",
        "Specify an alternate working directory (default: the path of the, first specified, Compose file)",
    ),
    text("project-name", "Project name", short="p"),
)
DRY_RUN = switch("dry-run", "Execute command in dry run mode")
