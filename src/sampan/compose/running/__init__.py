# SPDX-License-Identifier: Apache-2.0
"""The half of compose that has effects: plans are carried out through the Engine API's client.

`runner` does a plan's steps in the order of their needs, as many at once as may be; `performer` does one step;
what happens is told to a `Report`. Nothing here decides what there is to do: the planning modules do.
"""
