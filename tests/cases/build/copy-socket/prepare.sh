# SPDX-License-Identifier: Apache-2.0
python3 -c "import socket; s=socket.socket(socket.AF_UNIX); s.bind('context/d/sock')"
