# SPDX-License-Identifier: Apache-2.0
mkdir -p context/tree; ln -s ../../../../place context/tree/out
