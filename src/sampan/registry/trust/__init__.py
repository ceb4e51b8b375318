# SPDX-License-Identifier: Apache-2.0
"""Trusted content: who has signed an image, and what a person demands of images before they are used here.

Implements: cosign's signatures by key (simple signing payloads, both ways of storing them) and its encrypted keys;
the requirements of containers-policy.json(5) that have to do with such keys.

    keys, private_keys            a key pair; `envelope` seals it, `keyfiles` keeps it, `ecdsa` computes
    payload, signature            what is signed, and checking it
    documents, bundle             signatures as documents of a registry: cosign's own, and Sigstore's bundles
    storage, publishing           found, and put there: by tag and by referrer
    signing                       a tag's images signed
    patterns, identity, policy    what is demanded of which names; `policy_json` reads containers' own file
    judgement, guard              whether an image meets it: at a pull, and when an image of the store is used

Holds: a judgement is about a manifest's digest, and what was judged is what is used. Not here: certificates
(Fulcio), transparency logs (Rekor), OpenPGP.
"""
