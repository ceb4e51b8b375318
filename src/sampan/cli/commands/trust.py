# SPDX-License-Identifier: Apache-2.0
"""``sampan trust verify``, ``inspect`` and ``revoke``: signatures on a registry looked at and taken away."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.confirm import confirm
from sampan.cli.flags import several, switch, text
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.cli.trust_session import Session
    from sampan.registry.trust.policy import Rule
    from sampan.registry.trust.report import Known, Report

_KEY_FLAG = several("key", "A public key's file, in place of the keys of the policy", shows="file")
_FORMAT_FLAG = text("format", "json, or text for people", default="text")


def run_verify(context: Context, options: Options, arguments: list[str]) -> int:
    """Say who signed it; an error if nobody did whose signature is demanded."""
    from sampan.cli.trust_session import parse_annotations, with_session
    from sampan.oci.reference import parse_reference
    from sampan.registry.trust.report import report_signatures, select_good

    reference = parse_reference(arguments[0])
    rule = _rule_for(context, options, arguments[0])
    annotations = parse_annotations(options.several("annotation"))
    publishers = [publisher for signed in rule.signatures for publisher in signed.publishers]

    async def work(session: Session) -> Report:
        subject = (await session.resolve()).digest
        return await report_signatures(session.repositories, subject, publishers)

    report = with_session(context, arguments[0], work)
    good = select_good(report, rule, reference, annotations)
    if _is_json(options):
        return _say_json(context, [_describe(known) for known in good])
    context.out.line(f"Verified {reference.familiar_name}@{report.subject}")
    for known in good:
        context.out.line(f"  signed by {known.publisher} ({known.fingerprint})")
    return 0


def run_inspect(context: Context, options: Options, arguments: list[str]) -> int:
    """Show the signatures of a name, and of the images that it lists."""
    from sampan.cli.trust_session import listed_in, read_publishers, read_trust_policy, with_session
    from sampan.oci.digest import parse_digest
    from sampan.registry.trust.report import report_signatures

    known = {
        publisher.name: publisher
        for rule in read_trust_policy(context).rules
        for signed in rule.signatures
        for publisher in signed.publishers
    }
    publishers = (*read_publishers(options.several("key")), *known.values())

    async def work(session: Session) -> list[tuple[str, Report]]:
        fetched = await session.resolve()
        subjects = [("", str(fetched.digest)), *listed_in(fetched)]
        return [
            (platform, await report_signatures(session.repositories, parse_digest(digest), publishers))
            for platform, digest in subjects
        ]

    reports = with_session(context, arguments[0], work)
    if _is_json(options):
        return _say_json(context, [_describe_report(platform, report) for platform, report in reports])
    for platform, report in reports:
        _show_report(context, arguments[0], platform, report)
    return 0


def run_revoke(context: Context, options: Options, arguments: list[str]) -> int:
    """Remove signatures from the registry: all, or those of some keys."""
    from sampan.cli.trust_session import listed_in, read_publishers, with_session
    from sampan.oci.digest import parse_digest
    from sampan.registry.trust.storage import SignatureStore

    keys = [publisher.keys[0] for publisher in read_publishers(options.several("key"))]
    whose = "the signatures of these keys" if keys else "all signatures"
    if not options.switch("yes") and not confirm(context.out, f"This will remove {whose} of {arguments[0]}."):
        return 1

    async def work(session: Session) -> list[tuple[str, int]]:
        fetched = await session.resolve()
        subjects = [str(fetched.digest)]
        subjects += [digest for _, digest in listed_in(fetched)] if options.switch("recursive") else []
        store = SignatureStore(session.repository)
        return [
            (one, await store.remove(parse_digest(one), lambda found: not keys or bool(found.signer(keys))))
            for one in subjects
        ]

    for subject, count in with_session(context, arguments[0], work, push=True):
        context.out.line(f"Removed {count} signature{'' if count == 1 else 's'} of {subject}")
    return 0


def _rule_for(context: Context, options: Options, name: str) -> Rule:
    """What the keys that were given demand, or else the policy."""
    from sampan.cli.trust_session import read_publishers, read_trust_policy
    from sampan.oci.reference import parse_reference
    from sampan.registry.trust.judgement import Refused
    from sampan.registry.trust.policy import Rule, Signed

    publishers = read_publishers(options.several("key"))
    if publishers:
        return Rule("signature", signatures=(Signed(publishers),), place="--key")
    reference = parse_reference(name)
    rule = read_trust_policy(context).find(reference)
    if rule.demand == "reject":
        raise Refused(reference, rule, rule.reason or "nothing of that name may be used")
    if rule.demand != "signature":
        raise InvalidArgument(
            f"{reference.familiar()}: no rule of the policy demands a signature", hint="name a key with --key"
        )
    return rule


def _is_json(options: Options) -> bool:
    if options.text("format") not in ("text", "json"):
        raise InvalidArgument(f"unknown format {options.text('format')!r}", hint="text or json")
    return options.text("format") == "json"


def _say_json(context: Context, shown: list[dict[str, Any]]) -> int:
    from json import dumps  # people read this

    context.out.line(dumps(shown, indent=4))
    return 0


def _describe(known: Known) -> dict[str, Any]:
    """One signature; what cosign prints of it is there under cosign's names, too."""
    payload = known.payload
    return {
        "digest": str(known.subject),
        "publisher": known.publisher,
        "key": known.fingerprint,
        "reference": payload.reference if payload else "",
        "annotations": dict(payload.annotations) if payload else {},
        "signature": known.signature.text,
        "payload": known.signature.payload.decode("utf-8", "replace"),
    }


def _describe_report(platform: str, report: Report) -> dict[str, Any]:
    return {
        "digest": str(report.subject),
        "platform": platform,
        "signatures": [_describe(known) for known in report.signatures],
        "complaints": list(report.complaints),
    }


def _show_report(context: Context, name: str, platform: str, report: Report) -> None:
    out = context.out
    out.line(f"{platform or name}  {report.subject}")
    if not report.signatures:
        out.line("  no signatures")
    for known in report.signatures:
        who = (
            f"{known.publisher} ({known.fingerprint})" if known.publisher else "a key that is not known here"
        )
        out.line(f"  signed by {who}")
        if known.payload is None:
            out.line(f"    unreadable: {'; '.join(known.complaints)}")
            continue
        out.line(f"    for {_printable(known.payload.reference)}")
        if known.payload.digest != report.subject:
            out.line(f"    but of another image: {known.payload.digest}")
        for key, value in sorted(known.payload.annotations.items()):
            out.line(f"    {_printable(key)}={_printable(str(value))}")
    for complaint in report.complaints:
        out.note(f"{context.out.program}: {complaint}")


def _printable(text: str) -> str:
    """Anybody can write a signature that nobody trusts: what it says reaches the terminal as letters only."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


VERIFY = Command(
    "trust verify",
    run=run_verify,
    summary="Check the signatures of an image",
    usage="[OPTIONS] IMAGE[:TAG|@DIGEST]",
    description=(
        "Check the signatures of an image on its registry, as the policy demands them,\n"
        "or by one of the keys that are given."
    ),
    flags=(
        several("annotation", "Demand that the signature says so (KEY=VALUE)", short="a", shows="list"),
        _FORMAT_FLAG,
        _KEY_FLAG,
    ),
    arity=exactly(1),
)

INSPECT = Command(
    "trust inspect",
    run=run_inspect,
    summary="Show the signatures of an image",
    usage="[OPTIONS] IMAGE[:TAG|@DIGEST]",
    flags=(_FORMAT_FLAG, several("key", "A public key's file, to be known by its name", shows="file")),
    arity=exactly(1),
)

REVOKE = Command(
    "trust revoke",
    run=run_revoke,
    summary="Remove signatures of an image",
    usage="[OPTIONS] IMAGE[:TAG|@DIGEST]",
    flags=(
        several("key", "Only signatures of this public key", shows="file"),
        switch("recursive", "Of the images of all platforms, too", short="r"),
        switch("yes", "Do not prompt for confirmation", short="y"),
    ),
    arity=exactly(1),
)
