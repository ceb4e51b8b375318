# SPDX-License-Identifier: Apache-2.0
"""Addresses of the berths."""

from django.urls import path

from berths import views

app_name = "berths"
urlpatterns = [
    path("", views.BerthList.as_view(), name="list"),
    path("berths/new/", views.BerthCreate.as_view(), name="new"),
    path("berths/<int:pk>/", views.BerthChange.as_view(), name="change"),
    path("berths/<int:pk>/delete/", views.BerthDelete.as_view(), name="delete"),
]
