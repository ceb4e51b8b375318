# SPDX-License-Identifier: Apache-2.0
"""The life of containers, execs, volumes and networks.

One `Engine` object holds the services; each service is one file with one subject. Everything runs on one
asyncio loop; what blocks goes to threads; processes are made by the launcher, never here. A change of state
is one transaction, and `reconcile` makes the records agree with what really runs when an engine starts.
"""
