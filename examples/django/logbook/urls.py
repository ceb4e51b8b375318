# SPDX-License-Identifier: Apache-2.0
"""Addresses of the logbook."""

from django.urls import path

from logbook import views

urlpatterns = [path("", views.index, name="index")]
