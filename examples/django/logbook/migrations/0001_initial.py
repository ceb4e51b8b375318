# SPDX-License-Identifier: Apache-2.0
"""The table of entries."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("boat", models.CharField(max_length=80)),
                ("cargo", models.CharField(blank=True, max_length=200)),
                ("arrived", models.DateTimeField()),
            ],
            options={"ordering": ["-arrived"], "verbose_name_plural": "entries"},
        ),
    ]
