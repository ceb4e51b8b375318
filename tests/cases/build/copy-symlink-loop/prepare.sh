# SPDX-License-Identifier: Apache-2.0
ln -s loop2 context/loop; ln -s loop context/loop2
