# SPDX-License-Identifier: Apache-2.0
"""What the page says before and after the migrations."""

from unittest import mock

from django.test import TestCase

from logbook import views


class IndexTest(TestCase):
    def test_entries_are_shown(self) -> None:
        page = self.client.get("/")
        self.assertContains(page, "3 boats in the logbook.")
        self.assertContains(page, "Golden Carp")

    def test_missing_migrations_are_named(self) -> None:
        with mock.patch.object(views, "pending_migrations", return_value=["logbook.0001_initial"]):
            page = self.client.get("/")
        self.assertContains(page, "Migrations have not been applied.")
