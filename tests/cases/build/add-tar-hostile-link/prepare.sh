# SPDX-License-Identifier: Apache-2.0
python3 - <<'P'
import io, tarfile
with tarfile.open("context/h.tar", "w") as t:
    a = tarfile.TarInfo("l"); a.type = tarfile.SYMTYPE; a.linkname = "/outside"; t.addfile(a)
    b = tarfile.TarInfo("l/x"); b.size = 1; t.addfile(b, io.BytesIO(b"x"))
P
