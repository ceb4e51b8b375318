# SPDX-License-Identifier: Apache-2.0
"""Build checks: what a Dockerfile does that works today and is better not done.

Rules have BuildKit's names, words and pages (docs.docker.com, "Build checks"), so that a ``# check=`` line means
the same to both. Pure: what is known of the base images and of the context comes in as arguments.
"""
