# SPDX-License-Identifier: Apache-2.0
"""The first boats, so that the page has something to show."""

from datetime import datetime, timezone

from django.db import migrations

UTC = timezone.utc  # noqa: UP017  (datetime.UTC came with Python 3.11)

FIRST_BOATS = [
    ("Golden Carp", "tea and porcelain", datetime(2024, 4, 2, 6, 30, tzinfo=UTC)),
    ("Morning Heron", "salt fish", datetime(2024, 4, 3, 17, 5, tzinfo=UTC)),
    ("Two Oars", "bamboo", datetime(2024, 4, 5, 9, 45, tzinfo=UTC)),
]


def add_boats(apps, _schema_editor):
    entry = apps.get_model("logbook", "Entry")
    entry.objects.bulk_create(entry(boat=boat, cargo=cargo, arrived=at) for boat, cargo, at in FIRST_BOATS)


def remove_boats(apps, _schema_editor):
    entry = apps.get_model("logbook", "Entry")
    entry.objects.filter(boat__in=[boat for boat, _, _ in FIRST_BOATS]).delete()


class Migration(migrations.Migration):
    dependencies = [("logbook", "0001_initial")]

    operations = [migrations.RunPython(add_boats, remove_boats)]
