# SPDX-License-Identifier: Apache-2.0
cd context; mkdir t; echo x > t/x; tar --transform="s,x,../../up," -P -C t -cf h.tar x; rm -r t
