# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile language: text to typed instructions, without looking at any file, image or environment.

``lexer`` cuts the text into logical lines (directives, continuations, comments, heredocs), ``words`` cuts a
line into words and flags, ``parser`` makes instructions of them. Errors are `DockerfileError` and point at
the lines.
"""
