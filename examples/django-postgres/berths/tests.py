# SPDX-License-Identifier: Apache-2.0
"""What visitors see and what the office may do."""

from unittest import mock

from django.contrib.auth import get_user_model
from django.db import DatabaseError
from django.test import TestCase, override_settings
from django.urls import reverse

from berths.models import Berth

# Hashed names of static files exist after `collectstatic` only.
PLAIN_STATIC = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


@override_settings(STORAGES=PLAIN_STATIC)
class BerthsTest(TestCase):
    def setUp(self) -> None:
        self.officer = get_user_model().objects.create_user("mei", password="a-long-enough-word")

    def test_visitors_read_the_list(self) -> None:
        Berth.objects.create(boat="Golden Carp", place="A1", entered_by=self.officer)
        self.assertContains(self.client.get(reverse("berths:list")), "Golden Carp")

    def test_visitors_are_sent_to_sign_in_before_a_form(self) -> None:
        answer = self.client.get(reverse("berths:new"))
        self.assertRedirects(answer, f"{reverse('login')}?next={reverse('berths:new')}")

    def test_an_officer_enters_a_boat(self) -> None:
        self.client.force_login(self.officer)
        page = self.client.post(reverse("berths:new"), {"boat": "Heron", "place": "B2"}, follow=True)
        self.assertContains(page, "Heron lies at B2.")
        assert Berth.objects.get().entered_by == self.officer

    def test_a_place_is_given_once(self) -> None:
        Berth.objects.create(boat="Heron", place="B2", entered_by=self.officer)
        self.client.force_login(self.officer)
        page = self.client.post(reverse("berths:new"), {"boat": "Egret", "place": "B2"})
        self.assertContains(page, "Berth with this Place already exists.")

    def test_what_a_person_types_is_text_on_the_page(self) -> None:
        Berth.objects.create(boat="<script>alert(1)</script>", place="C3", entered_by=self.officer)
        self.assertContains(self.client.get(reverse("berths:list")), "&lt;script&gt;alert(1)&lt;/script&gt;")


class HealthTest(TestCase):
    def test_health_needs_the_database(self) -> None:
        assert self.client.get("/healthz").status_code == 200
        with mock.patch("harbour.health.connection.cursor", side_effect=DatabaseError("gone")):
            assert self.client.get("/healthz").status_code == 503
