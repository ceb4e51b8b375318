# SPDX-License-Identifier: Apache-2.0
"""The name server of user-defined networks: one small process an engine, which outlives it.

In every container of such a network it answers at 127.0.0.11, for containers' names, aliases and short ids and
for their addresses; everything else it asks the host's name servers, or those of `--dns`.

The process serves all containers of an engine. It enters a container's network namespace just long enough to open
its sockets there (`listener`), so it needs nothing inside and packets need no way out. It learns who is called what
from the engine (`put`, `forget`), and in which namespace to answer from whoever made the container (`serve`), on
one unix socket in the run root. A killed engine takes nothing from it; the next finds it at the socket and tells it
everything again. If it is killed itself, the engine starts another. With no engine and no container it ends.

`message` and `zones` are pure. `contact` is the part that the launcher loads.
"""
