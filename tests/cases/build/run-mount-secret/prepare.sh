# SPDX-License-Identifier: Apache-2.0
printf s3cret > token
