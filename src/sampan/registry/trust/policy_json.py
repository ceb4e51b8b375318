# SPDX-License-Identifier: Apache-2.0
"""containers' own policy file, as rules of ours.

Implements: containers-policy.json(5): the transport `docker`, the requirements insecureAcceptAnything, reject and
sigstoreSigned with keys. What needs OpenPGP, Fulcio or Rekor cannot be checked here and so refuses; the refusal says
so. Whether images of this machine may be used is no matter of that file: `local` says it for all its rules.
Holds: a field that is not known is a mistake, as it is to containers/image.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from sampan.errors import InvalidArgument, NotFound, SampanError
from sampan.oci.document import JSONObject, decode_object, get_list, get_object, get_string, get_strings
from sampan.registry.trust.identity import Identity
from sampan.registry.trust.keyfiles import read_public_key
from sampan.registry.trust.keys import PublicKey, decode_public_key
from sampan.registry.trust.patterns import Pattern, parse_pattern
from sampan.registry.trust.policy import Policy, Publisher, Rule, Signed

_MAX_BYTES = 1 << 20
_TOP = frozenset({"default", "transports"})
_SIGSTORE = frozenset({"type", "keyPath", "keyPaths", "keyData", "keyDatas", "signedIdentity"})
_UNCHECKED = frozenset({"fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyData"}) | {
    "rekorPublicKeyPaths",
    "rekorPublicKeyDatas",
}
_MATCHES: dict[str, Identity] = {
    "matchRepository": Identity("match-repository"),
    "matchExact": Identity("match-exact"),
    "matchRepoDigestOrExact": Identity("match-repo-digest-or-exact"),
}


class InvalidPolicy(InvalidArgument):
    """The file does not have the shape that its manual page gives it."""


def read_policy_json(path: str, *, local: bool = False) -> Policy:
    """Read the file."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"open {path}: no such file or directory") from None
    except OSError as error:
        raise InvalidArgument(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    return parse_policy_json(raw, path, local=local)


def parse_policy_json(raw: bytes, name: str, *, local: bool = False) -> Policy:
    """Read a document; `name` is what errors and refusals call it."""
    try:
        policy = _parse(raw, name)
    except InvalidPolicy:
        raise
    except SampanError as error:
        raise InvalidPolicy(f"{name}: {error.message}") from None
    rules = tuple(replace(rule, local=local or rule.local) for rule in policy.rules)
    return Policy(rules, replace(policy.default, local=local or policy.default.local))


def _parse(raw: bytes, name: str) -> Policy:
    source = decode_object(raw, "policy")
    _require_known(source, _TOP, name)
    if "default" not in source:
        raise InvalidPolicy(f"{name}: default is missing")
    transports = get_object(source, "transports", "policy")
    default = _read_rule(get_list(source, "default", "policy"), None, name)
    scopes = get_object(transports, "docker", "transports")
    rules = []
    for scope in scopes:
        requirements = get_list(scopes, scope, "docker")
        if scope == "":
            default = _read_rule(requirements, None, name)
        else:
            rules.append(_read_rule(requirements, parse_pattern(scope), name))
    return Policy(tuple(rules), default)


def _read_rule(requirements: list[object], pattern: Pattern | None, name: str) -> Rule:
    """All requirements have to be met, so one that refuses decides."""
    where = f"{name}: {pattern.text if pattern else 'default'}"
    if not requirements:
        raise InvalidPolicy(f"{where}: no requirements")
    signatures: list[Signed] = []
    for requirement in requirements:
        if not isinstance(requirement, dict):
            raise InvalidPolicy(f"{where}: a requirement is not an object")
        match get_string(requirement, "type", where):
            case "insecureAcceptAnything":
                continue
            case "reject":
                return Rule("reject", pattern, place=name)
            case "signedBy" | "signedBaseLayer" as kind:
                return Rule("reject", pattern, reason=f"{kind} cannot be checked here", place=name)
            case "sigstoreSigned" if unchecked := sorted(_UNCHECKED & set(requirement)):
                return Rule("reject", pattern, reason=f"{unchecked[0]} cannot be checked here", place=name)
            case "sigstoreSigned":
                signatures.append(_read_signed(requirement, where))
            case kind:
                raise InvalidPolicy(f"{where}: unknown requirement {kind!r}")
    if signatures:
        return Rule("signature", pattern, tuple(signatures), place=name)
    return Rule("nothing", pattern, local=True, place=name)


def _read_signed(source: JSONObject, where: str) -> Signed:
    _require_known(source, _SIGSTORE, where)
    publishers = [Publisher(path, (read_public_key(path),)) for path in _strings(source, "keyPath", where)]
    for data in _strings(source, "keyData", where):
        key = _decode_key(data, where)
        publishers.append(Publisher(f"key {key.fingerprint[:19]}", (key,)))
    if not publishers:
        raise InvalidPolicy(f"{where}: sigstoreSigned needs keyPath, keyPaths, keyData or keyDatas")
    return Signed(tuple(publishers), _read_identity(source, where))


def _read_identity(source: JSONObject, where: str) -> Identity:
    if "signedIdentity" not in source:
        return _MATCHES["matchRepoDigestOrExact"]
    identity = get_object(source, "signedIdentity", where)
    match get_string(identity, "type", where):
        case "exactReference":
            return Identity("match-exact", fixed=_required(identity, "dockerReference", where))
        case "exactRepository":
            return Identity("match-repository", fixed=_required(identity, "dockerRepository", where))
        case "remapIdentity":
            return Identity(
                "match-repo-digest-or-exact",
                prefix=_required(identity, "prefix", where),
                signed_prefix=_required(identity, "signedPrefix", where),
            )
        case kind if kind in _MATCHES:
            return _MATCHES[kind]
        case kind:
            raise InvalidPolicy(f"{where}: unknown signedIdentity {kind!r}")


def _strings(source: JSONObject, key: str, where: str) -> tuple[str, ...]:
    """A field, and the list in its plural."""
    single = get_string(source, key, where)
    return ((single,) if single else ()) + get_strings(source, f"{key}s", where)


def _required(source: JSONObject, key: str, where: str) -> str:
    value = get_string(source, key, where)
    if not value:
        raise InvalidPolicy(f"{where}: signedIdentity needs {key}")
    return value


def _decode_key(data: str, where: str) -> PublicKey:
    try:
        return decode_public_key(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidPolicy(f"{where}: keyData is not base64") from None


def _require_known(source: JSONObject, known: frozenset[str], where: str) -> None:
    unknown = sorted(set(source) - known)
    if unknown:
        raise InvalidPolicy(f"{where}: unknown key {unknown[0]!r}")
