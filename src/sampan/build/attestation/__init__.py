# SPDX-License-Identifier: Apache-2.0
"""What is said of a built image besides itself: how it was made (provenance), and what is in it (SBOM)."""
