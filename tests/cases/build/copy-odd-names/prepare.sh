# SPDX-License-Identifier: Apache-2.0
mkdir context/d; cd context/d; echo 1 > $'new\nline'; echo 2 > "sp ace"; echo 3 > 'back\slash'; echo 4 > 'q"uote'; echo 5 > "~tilde"; echo 6 > "-dash"; echo 7 > "*star"
