# SPDX-License-Identifier: Apache-2.0
"""What a registry keeps on disk. Safe between threads and processes, and whenever any of them is killed.

The guarantees, which everything above relies on:

- A file below ``blobs/`` is whole, is on disk, and has the digest of its name. It is written in ``uploads/``, synced
  and then linked; nothing ever writes to it again.
- A repository's ``index.json`` changes in one step, by rename, under the repository's lock. Everything that a manifest
  of it needs was there when it was put in, and is on disk.
- What the index reaches is never deleted: collecting looks under the same lock. What it does not reach stays for a time
  of grace after it was uploaded, mounted or asked for, so that a push in progress finds what it was told is there.
- All state is in files; locks are the kernel's (flock), so that a killed process leaves none behind.
"""
