# SPDX-License-Identifier: Apache-2.0
"""What a harbour's logbook keeps."""

from django.db import models


class Entry(models.Model):
    """A boat that came in."""

    boat = models.CharField(max_length=80)
    cargo = models.CharField(max_length=200, blank=True)
    arrived = models.DateTimeField()

    class Meta:
        ordering = ["-arrived"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return self.boat
