# SPDX-License-Identifier: Apache-2.0
cd context; mkdir t; echo x > t/x; : > t/.wh.gone; tar -C t -cf h.tar .wh.gone x; rm -r t
