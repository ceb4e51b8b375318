# SPDX-License-Identifier: Apache-2.0
"""The project for WSGI servers."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harbour.settings")

application = get_wsgi_application()
