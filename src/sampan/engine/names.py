# SPDX-License-Identifier: Apache-2.0
"""Names that the engine gives to containers nobody named: an adjective and something that floats."""

from __future__ import annotations

import os
import random

from sampan.errors import InvalidArgument

ADJECTIVES = [
    "able",
    "agile",
    "amber",
    "bold",
    "brave",
    "bright",
    "brisk",
    "calm",
    "clever",
    "cosy",
    "crisp",
    "daring",
    "eager",
    "early",
    "fair",
    "fast",
    "fine",
    "fond",
    "free",
    "fresh",
    "gentle",
    "glad",
    "golden",
    "good",
    "grand",
    "happy",
    "hardy",
    "honest",
    "humble",
    "jolly",
    "keen",
    "kind",
    "light",
    "lively",
    "loyal",
    "lucky",
    "merry",
    "mellow",
    "mild",
    "modest",
    "neat",
    "nimble",
    "noble",
    "patient",
    "plain",
    "proud",
    "quick",
    "quiet",
    "ready",
    "rested",
    "round",
    "sharp",
    "shiny",
    "silent",
    "sleek",
    "smart",
    "snug",
    "solid",
    "sound",
    "spry",
    "steady",
    "still",
    "stout",
    "strong",
    "sunny",
    "swift",
    "tidy",
    "true",
    "vivid",
    "warm",
    "wise",
    "witty",
]

VESSELS = [
    "baidarka",
    "barge",
    "bark",
    "brig",
    "caique",
    "canoe",
    "caravel",
    "carrack",
    "catamaran",
    "clipper",
    "coble",
    "cog",
    "coracle",
    "cutter",
    "dhow",
    "dinghy",
    "dory",
    "dragger",
    "felucca",
    "ferry",
    "frigate",
    "galleon",
    "galley",
    "gondola",
    "gufa",
    "hoy",
    "jangada",
    "junk",
    "kayak",
    "ketch",
    "knarr",
    "launch",
    "lighter",
    "longship",
    "lorcha",
    "lugger",
    "masula",
    "outrigger",
    "packet",
    "pinnace",
    "piragua",
    "pontoon",
    "pram",
    "proa",
    "punt",
    "raft",
    "sandolo",
    "schooner",
    "scow",
    "shallop",
    "shikara",
    "sharpie",
    "skiff",
    "skipjack",
    "sloop",
    "smack",
    "tartane",
    "tender",
    "tjalk",
    "trawler",
    "trimaran",
    "tug",
    "umiak",
    "vaka",
    "wherry",
    "xebec",
    "yawl",
    "yole",
]


def new_id() -> str:
    """64 hexadecimal digits, as every id of Docker's; never digits alone in the short form."""
    while True:
        value = os.urandom(32).hex()
        if not value[:12].isdigit():
            return value


def new_name() -> str:
    """Something like `calm_dhow`; the caller checks that it is free."""
    return f"{random.choice(ADJECTIVES)}_{random.choice(VESSELS)}"  # noqa: S311 - not a secret


def check_container_name(name: str) -> str:
    """Docker's rule for names, without the slash that the API puts before them."""
    bare = name.removeprefix("/")
    allowed = all(c.isascii() and (c.isalnum() or c in "_.-") for c in bare)
    if len(bare) < 2 or not allowed or not bare[0].isalnum():
        raise InvalidArgument(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return bare
