# SPDX-License-Identifier: Apache-2.0
"""Blobs by their digests, in an OCI image layout."""
