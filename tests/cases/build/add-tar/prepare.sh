# SPDX-License-Identifier: Apache-2.0
cd context; mkdir src; echo one > src/one; mkdir src/dir; echo two > src/dir/two; ln -s one src/link; chmod 600 src/dir/two
T="tar --owner=12 --group=34 --mtime=@1500000000 --sort=name -C src -cf"
$T a.tar .; gzip -nk a.tar; bzip2 -k a.tar; xz -k a.tar; cp a.tar.gz noname; rm -r src
