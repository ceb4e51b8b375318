# SPDX-License-Identifier: Apache-2.0
cd context; mkdir -p links/real; echo t > links/target; echo r > links/real/r; ln -s target links/rel; ln -s /etc/passwd links/abs; ln -s real links/dir; ln -s nowhere links/broken; ln -s ../../../up links/up
