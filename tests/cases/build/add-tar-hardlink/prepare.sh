# SPDX-License-Identifier: Apache-2.0
python3 - <<'P'
import io, tarfile
with tarfile.open("context/h.tar", "w") as t:
    b = tarfile.TarInfo("f"); b.size = 1; b.mode = 0o4755; t.addfile(b, io.BytesIO(b"x"))
    a = tarfile.TarInfo("g"); a.type = tarfile.LNKTYPE; a.linkname = "f"; t.addfile(a)
    p = tarfile.TarInfo("p"); p.type = tarfile.FIFOTYPE; p.mode = 0o622; t.addfile(p)
P
