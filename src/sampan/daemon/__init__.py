# SPDX-License-Identifier: Apache-2.0
"""The engine as a process: start-up, signals, shutdown."""
