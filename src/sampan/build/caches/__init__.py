# SPDX-License-Identifier: Apache-2.0
"""The build cache on its travels: folders, archives, registries and images that carry results to other machines.

results here ──outbound──→ manifest · records · layers ──inbound──→ results there, when a build asks for them
"""
