# SPDX-License-Identifier: Apache-2.0
printf 'FROM scratch\nCOPY a.txt /\n' > elsewhere.Dockerfile
