# SPDX-License-Identifier: Apache-2.0
"""Dockerfile to image: parse, choose stages, compile to steps, solve them with a content-addressed cache.

Read in this order: ``dockerfile/`` (the language), ``stages`` (which of them run), ``compile`` (instructions
to steps and image config), ``solver`` (cache keys and execution), ``build`` (the entry point).
"""
