# SPDX-License-Identifier: Apache-2.0
"""``sampan trust verify`` and ``inspect``: signatures on a registry looked at."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import several, text
from sampan.cli.trust_report import describe_report, describe_signature, is_json, say_json, show_report
from sampan.errors import InvalidArgument, PermissionDenied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.cli.trust_session import Session
    from sampan.registry.trust.policy import Rule
    from sampan.registry.trust.report import Report

_KEY_FLAG = several("key", "A public key's file, in place of the keys of the policy", shows="file")
_FORMAT_FLAG = text("format", "json, or text for people", default="text")


def run_verify(context: Context, options: Options, arguments: list[str]) -> int:
    """Say who signed it; an error if nobody did whose signature is demanded."""
    from sampan.cli.trust_session import parse_annotations, with_session
    from sampan.oci.reference import parse_reference
    from sampan.registry.trust.judgement import Refused
    from sampan.registry.trust.report import report_signatures, select_good

    reference = parse_reference(arguments[0])
    rule = _rule_for(context, options, arguments[0])
    annotations = parse_annotations(options.several("annotation"))
    publishers = [publisher for signed in rule.signatures for publisher in signed.publishers]

    async def work(session: Session) -> Report:
        subject = (await session.resolve()).digest
        return await report_signatures(session.repositories, subject, publishers)

    report = with_session(context, arguments[0], work)
    try:
        good = select_good(report, rule, reference, annotations)
    except Refused as error:
        if not options.several("key"):
            raise
        raise PermissionDenied(f"{reference.familiar()}: {error.reason}") from None
    if is_json(options):
        return say_json(context.out, [describe_signature(known) for known in good])
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
    if is_json(options):
        return say_json(context.out, [describe_report(platform, report) for platform, report in reports])
    for platform, report in reports:
        show_report(context.out, arguments[0], platform, report)
    return 0


def _rule_for(context: Context, options: Options, name: str) -> Rule:
    """What the keys that were given demand, or else the policy."""
    from sampan.cli.trust_session import read_publishers, read_trust_policy
    from sampan.oci.reference import parse_reference
    from sampan.registry.trust.identity import Identity
    from sampan.registry.trust.judgement import Refused
    from sampan.registry.trust.policy import Rule, Signed

    publishers = read_publishers(options.several("key"))
    if publishers:
        return Rule("signature", signatures=(Signed(publishers, Identity(nameless=True)),))
    reference = parse_reference(name)
    rule = read_trust_policy(context).find(reference)
    if rule.demand == "reject":
        raise Refused(reference, rule, rule.reason or "nothing of that name may be used")
    if rule.demand != "signature":
        raise InvalidArgument(
            f"{reference.familiar()}: no rule of the policy demands a signature", hint="name a key with --key"
        )
    return rule


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
