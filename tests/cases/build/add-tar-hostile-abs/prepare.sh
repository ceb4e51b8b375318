# SPDX-License-Identifier: Apache-2.0
python3 - <<'P'
import io, tarfile
with tarfile.open("context/h.tar", "w") as t:
    b = tarfile.TarInfo("/abs/x"); b.size = 1; t.addfile(b, io.BytesIO(b"x"))
P
