# SPDX-License-Identifier: Apache-2.0
"""Berths in Django's admin."""

from django.contrib import admin
from django.http import HttpRequest

from berths.models import Berth


@admin.register(Berth)
class BerthAdmin(admin.ModelAdmin):
    list_display = ["place", "boat", "entered_by", "entered_at"]
    search_fields = ["place", "boat"]

    def save_model(self, request: HttpRequest, obj: Berth, form: object, change: bool) -> None:
        if not change:
            obj.entered_by = request.user
        super().save_model(request, obj, form, change)
