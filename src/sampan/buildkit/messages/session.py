# SPDX-License-Identifier: Apache-2.0
"""What a session's client offers besides files: secrets, log-ins, SSH agents, uploads.

Source: BuildKit's session/{secrets,auth,sshforward,upload}; method names are those of its services.
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.buildkit.protobuf import BYTES, STRING, Message, scalar

SYNC_FILES = "/moby.filesync.v1.FileSync/DiffCopy"
SEND_FILES = "/moby.filesync.v1.FileSend/DiffCopy"
GET_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"  # noqa: S105 - a method's name
CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"
CHECK_AGENT = "/moby.sshforward.v1.SSH/CheckAgent"
FORWARD_AGENT = "/moby.sshforward.v1.SSH/ForwardAgent"
PULL_UPLOAD = "/moby.upload.v1.Upload/Pull"


@dataclass(slots=True)
class GetSecretRequest(Message):
    """Ask for a secret by its id."""

    id: str = scalar(1, STRING)


@dataclass(slots=True)
class GetSecretResponse(Message):
    """Its value."""

    data: bytes = scalar(1, BYTES)


@dataclass(slots=True)
class CredentialsRequest(Message):
    """Ask who the client is to a registry."""

    host: str = scalar(1, STRING)


@dataclass(slots=True)
class CredentialsResponse(Message):
    """A name with a password; without a name, a refresh token."""

    username: str = scalar(1, STRING)
    secret: str = scalar(2, STRING)


@dataclass(slots=True)
class CheckAgentRequest(Message):
    """Ask whether there is an SSH agent of this id."""

    id: str = scalar(1, STRING)


@dataclass(slots=True)
class CheckAgentResponse(Message):
    """There is."""
