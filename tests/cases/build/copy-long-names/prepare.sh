# SPDX-License-Identifier: Apache-2.0
p=context/d/$(printf "x%.0s" {1..120})/$(printf "y%.0s" {1..150}); mkdir -p $p; echo z > $p/z
