# SPDX-License-Identifier: Apache-2.0
"""The logbook in Django's admin."""

from django.contrib import admin

from logbook.models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    list_display = ("boat", "cargo", "arrived")
    search_fields = ("boat", "cargo")
