# SPDX-License-Identifier: Apache-2.0
"""The logbook's one page."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from logbook.models import Entry


def index(request: HttpRequest) -> HttpResponse:
    """The entries, or what to do before there can be any."""
    pending = pending_migrations()
    entries = [] if pending else list(Entry.objects.all())
    return render(request, "logbook/index.html", {"pending": pending, "entries": entries})


def pending_migrations() -> list[str]:
    """The migrations that the database does not have yet."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
