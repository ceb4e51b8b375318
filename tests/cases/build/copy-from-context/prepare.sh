# SPDX-License-Identifier: Apache-2.0
mkdir -p other/sub; echo 1 > other/one; echo 2 > other/sub/two; echo no > other/no; echo no > other/.dockerignore
