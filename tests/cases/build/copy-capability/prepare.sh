# SPDX-License-Identifier: Apache-2.0
python3 -c "import os; os.setxattr('context/d/f', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))"
