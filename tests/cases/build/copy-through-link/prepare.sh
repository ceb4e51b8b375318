# SPDX-License-Identifier: Apache-2.0
mkdir -p context/tree/real; ln -s real context/tree/link; ln -s /real context/tree/abs
