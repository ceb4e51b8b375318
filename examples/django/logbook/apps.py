# SPDX-License-Identifier: Apache-2.0
"""The logbook application."""

from django.apps import AppConfig


class LogbookConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "logbook"
