# SPDX-License-Identifier: Apache-2.0
mkdir -p context/tree; ln -s missing/deep context/tree/link
