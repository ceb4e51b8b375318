# SPDX-License-Identifier: Apache-2.0
"""Pure values and codecs of the OCI image formats: digests, references, manifests, indexes, configs."""
