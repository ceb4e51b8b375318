# SPDX-License-Identifier: Apache-2.0
mkdir -p served t; echo one > t/one; tar --owner=0 --group=0 --mtime=@1500000000 -C t -cf served/a.tar one; rm -r t
