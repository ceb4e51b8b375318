# SPDX-License-Identifier: Apache-2.0
truncate -s 3M context/s; printf end >> context/s
