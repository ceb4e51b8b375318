# SPDX-License-Identifier: Apache-2.0
"""A visitor of the harbour office (examples/django-postgres): a browser as far as forms and cookies go."""

from __future__ import annotations

import html
import http.cookiejar
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Visitor:
    """Keeps its cookies; every form is fetched before it is sent, for the token in it."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def get(self, path: str = "/") -> str:
        """A page; what is no success is raised, an HTTPError with its code."""
        with self._opener.open(self.address + path, timeout=20) as answer:
            return str(answer.read().decode())

    def send_form(self, path: str, **fields: str) -> str:
        """Fill in the form of a page; the page where it leads."""
        token = _TOKEN.search(self.get(path))
        if token is None:
            raise ValueError(f"there is no form on {path}")
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token.group(1), **fields}).encode()
        request = urllib.request.Request(
            self.address + path, data=body, headers={"Referer": self.address + path}
        )
        with self._opener.open(request, timeout=20) as answer:
            return str(answer.read().decode())

    def sign_in(self, user: str, password: str) -> bool:
        """Whether the office let this person in."""
        page = self.send_form("/accounts/login/", username=user, password=password)
        return "Sign out" in page

    def enter_boat(self, boat: str, place: str) -> bool:
        """Whether the boat was entered: the office says so."""
        page = self.send_form("/berths/new/", boat=boat, place=place, note="")
        return f"{boat} lies at {place}." in html.unescape(page)

    def get_when_ready(self, path: str = "/", *, within_s: float = 60.0) -> str:
        """A page, as soon as there is one: a server that starts refuses, drops, or answers with 5xx."""
        end = time.monotonic() + within_s
        while True:
            try:
                return self.get(path)
            except (OSError, HTTPException) as error:
                passing = not isinstance(error, urllib.error.HTTPError) or error.code >= 500
                if not passing or time.monotonic() > end:
                    raise
            time.sleep(0.1)
