# SPDX-License-Identifier: Apache-2.0
cd context; mkdir t; head -c 100000 /dev/urandom > t/x; tar -C t -czf w.tar.gz x; head -c 50000 w.tar.gz > h.tar.gz; rm -r t w.tar.gz
