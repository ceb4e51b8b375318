# SPDX-License-Identifier: Apache-2.0
mkdir -p context/tree; echo old > context/tree/real; ln -s real context/tree/link
