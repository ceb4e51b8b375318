# SPDX-License-Identifier: Apache-2.0
mkdir context/h; echo x > context/h/a; ln context/h/a context/h/b
