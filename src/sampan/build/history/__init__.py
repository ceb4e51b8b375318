# SPDX-License-Identifier: Apache-2.0
"""The builds that there were and those under way: what was asked, what happened, how it ended.

Whoever's build it is (our command line, Docker's classic protocol, a client of BuildKit), it is written down here, in
state.db and a compressed file of its events, and outlives the engine.
"""
