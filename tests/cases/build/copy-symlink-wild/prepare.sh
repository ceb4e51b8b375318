# SPDX-License-Identifier: Apache-2.0
cd context; ln -s a.txt l1; mkdir x; echo y > x/y; ln -s x l2
