# SPDX-License-Identifier: Apache-2.0
"""What becomes of a build's result: ``--output`` of the command line and the exporters of BuildKit's clients."""
