# SPDX-License-Identifier: Apache-2.0
"""What the harbour office keeps."""

from django.conf import settings
from django.db import models
from django.urls import reverse


class Berth(models.Model):
    """A boat and the place where it lies."""

    boat = models.CharField(max_length=80)
    place = models.CharField(max_length=20, unique=True, help_text="Pier and number, such as A12.")
    note = models.TextField(blank=True)
    entered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, editable=False)
    entered_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["place"]

    def __str__(self) -> str:
        return f"{self.boat} at {self.place}"

    def get_absolute_url(self) -> str:
        return reverse("berths:change", args=[self.pk])
