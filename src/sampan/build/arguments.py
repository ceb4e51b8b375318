# SPDX-License-Identifier: Apache-2.0
"""Build arguments that need no ARG line: the platform's, and the proxies'.

Implements: the Dockerfile reference, "Predefined ARGs" and "Automatic platform ARGs in the global scope".
"""

from __future__ import annotations

from collections.abc import Mapping

from sampan.oci.platform import Platform

PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def platform_arguments(build: Platform, target: Platform, stage: str) -> dict[str, str]:
    """TARGETPLATFORM and its kin; a stage sees them only where it says ``ARG TARGETPLATFORM``."""
    return {
        **_platform_values("BUILD", build),
        **_platform_values("TARGET", target),
        "TARGETSTAGE": stage or "default",
    }


def proxy_environment(build_args: Mapping[str, str]) -> dict[str, str]:
    """What RUN gets of the proxy arguments: both spellings, in no cache key and no history."""
    env: dict[str, str] = {}
    for name, value in build_args.items():
        if name.upper() in PROXY_NAMES and value:
            env[name.upper()] = env[name.lower()] = value
    return env


def is_proxy_argument(name: str) -> bool:
    """Whether an argument is one of the predefined proxy arguments, in either spelling."""
    return name.upper() in PROXY_NAMES and (name.isupper() or name.islower())


def _platform_values(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform.plain),
        f"{prefix}OS": platform.os,
        f"{prefix}OSVERSION": platform.os_version,
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.plain.variant,
    }
