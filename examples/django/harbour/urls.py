# SPDX-License-Identifier: Apache-2.0
"""Addresses of the project: the logbook at the root, Django's admin beside it."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("logbook.urls")),
]
