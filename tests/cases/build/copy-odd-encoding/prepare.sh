# SPDX-License-Identifier: Apache-2.0
mkdir context/d; echo 1 > context/d/$'lat\xe9n'
