# SPDX-License-Identifier: Apache-2.0
echo hello | gzip -n > context/f.gz
