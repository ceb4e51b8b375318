# SPDX-License-Identifier: Apache-2.0
python3 -c "import os; os.setxattr('context/d/f', 'user.x', b'y')"
