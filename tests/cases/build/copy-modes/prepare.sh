# SPDX-License-Identifier: Apache-2.0
cd context; rm -f Dockerfile.bak; mkdir sub sticky; chmod 4755 f; chmod 0600 g; chmod 0710 sub; chmod 1777 sticky; chown 12:34 f sub
echo z > sub/z; chmod 0 sub/z
