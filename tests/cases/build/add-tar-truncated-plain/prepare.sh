# SPDX-License-Identifier: Apache-2.0
cd context; mkdir t; head -c 100000 /dev/zero > t/x; tar -C t -cf w.tar x; head -c 50000 w.tar > h.tar; rm -r t w.tar
