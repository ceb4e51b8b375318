# SPDX-License-Identifier: Apache-2.0
mkdir context/private; echo x > context/private/x; chmod 0700 context/private
