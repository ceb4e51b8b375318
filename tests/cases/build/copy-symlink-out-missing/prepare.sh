# SPDX-License-Identifier: Apache-2.0
ln -s /etc/hostname context/out
