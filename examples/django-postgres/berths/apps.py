# SPDX-License-Identifier: Apache-2.0
"""The application `berths`."""

from django.apps import AppConfig


class BerthsConfig(AppConfig):
    name = "berths"
