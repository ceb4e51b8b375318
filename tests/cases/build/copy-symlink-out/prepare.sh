# SPDX-License-Identifier: Apache-2.0
ln -s ../../../../a.txt context/out
