# SPDX-License-Identifier: Apache-2.0
cd context; mkdir d; tar --owner=1 --group=2 --mtime=@1500000000 -cf d/a.tar a.txt
