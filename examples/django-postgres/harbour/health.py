# SPDX-License-Identifier: Apache-2.0
"""What the container's health check asks: is this process able to answer with the database's help?"""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

PATH = "/healthz"


class HealthMiddleware:
    """Answers `PATH` before anything else looks at the request: no host check, no session, no log-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == PATH:
            return health()
        return self.get_response(request)


def health() -> HttpResponse:
    """200 when the database answers, 503 when it does not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return HttpResponse(f"database: {error}\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")
