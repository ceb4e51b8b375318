# SPDX-License-Identifier: Apache-2.0
"""Files of a build: reading contexts and root filesystems, giving them digests, and writing new layers.

``view`` shows a stack of snapshot directories as one tree, ``names`` resolves paths inside a tree, ``scan``
lists one, ``digests`` remembers what files contain, ``select`` finds what a COPY means, ``upper`` writes into a
new snapshot, and ``copy`` brings the two together.
"""
