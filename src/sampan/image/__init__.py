# SPDX-License-Identifier: Apache-2.0
"""Images: names, layers unpacked by chain ID, and whole images in and out as archives.

`store.ImageStore` is the face; behind it `layers` (snapshots and blobs of layers), `staging` and `loading`
(archives in), `saving` (archives out), `removal` (what may be removed, in Docker's words) and `describe` (what
the Engine API shows).
"""
