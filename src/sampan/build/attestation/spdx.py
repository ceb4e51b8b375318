# SPDX-License-Identifier: Apache-2.0
"""An inventory as an SPDX document.

Implements: SPDX 2.3, JSON; the part of it that says which packages are in an image.
Holds: equal inventories of one image at one time give equal documents.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from sampan.build.attestation.inventory import Inventory
from sampan.build.attestation.packages import Distribution, Package
from sampan.oci.document import JSONObject

PREDICATE = "https://spdx.dev/Document"
_NOTHING = "NOASSERTION"
_UNUSUAL = re.compile(r"[^A-Za-z0-9.-]+")
_BETWEEN = re.compile(r" (?:AND|OR) ")
# Of SPDX's list those that most packages have; databases also have words that are not in it.
_LICENCES = frozenset(
    {
        "0BSD",
        "AGPL-3.0-only",
        "AGPL-3.0-or-later",
        "Apache-2.0",
        "Artistic-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "GPL-2.0-only",
        "GPL-2.0-or-later",
        "GPL-3.0-only",
        "GPL-3.0-or-later",
        "ISC",
        "LGPL-2.0-or-later",
        "LGPL-2.1-only",
        "LGPL-2.1-or-later",
        "LGPL-3.0-only",
        "LGPL-3.0-or-later",
        "MIT",
        "MPL-2.0",
        "OpenSSL",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
        "blessing",
        "bzip2-1.0.6",
        "curl",
    }
)


def make_document(
    inventory: Inventory, *, name: str, identity: str, created: str, version: str
) -> JSONObject:
    """The document of an image called `name`; `identity` is the digest that it is of."""
    packages = [_describe(package, inventory.distribution) for package in inventory.packages]
    root = "SPDXRef-DocumentRoot-Image"
    comment = "".join(f"not read: /{path}\n" for path in inventory.unread)
    document: JSONObject = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/image-{identity.replace(':', '-')}",
        "creationInfo": {"created": created, "creators": [f"Tool: sampan-{version}"]},
        "packages": [_image(root, name, identity), *packages],
        "relationships": [_relation("SPDXRef-DOCUMENT", "DESCRIBES", root), *_contains(root, packages)],
    }
    return document | ({"comment": comment} if comment else {})


def _image(identifier: str, name: str, identity: str) -> JSONObject:
    algorithm, _, digest = identity.partition(":")
    return {
        "name": name,
        "SPDXID": identifier,
        "versionInfo": identity,
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _NOTHING,
        "copyrightText": _NOTHING,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": algorithm.upper(), "checksumValue": digest}],
    }


def _describe(package: Package, distribution: Distribution) -> JSONObject:
    url = package.url(distribution)
    described: JSONObject = {
        "name": package.name,
        "SPDXID": _identifier(package, url),
        "versionInfo": package.version,
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "sourceInfo": f"from {package.place}",
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _licence(package.license),
        "copyrightText": _NOTHING,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}
        ],
    }
    if package.supplier:
        kind = "Person" if "@" in package.supplier else "Organization"
        described["supplier"] = f"{kind}: {package.supplier.replace('<', '(').replace('>', ')')}"
    if package.license and described["licenseDeclared"] == _NOTHING:
        described["licenseComments"] = package.license
    return described


def _identifier(package: Package, url: str) -> str:
    """Unique in the document: the same version may be installed in several places."""
    mark = hashlib.sha256(f"{url} {package.place}".encode()).hexdigest()[:16]
    return f"SPDXRef-Package-{package.kind}-{_UNUSUAL.sub('-', package.name)}-{mark}"


def _licence(text: str) -> str:
    """What is no SPDX expression may not stand there."""
    return text if _LICENCES.issuperset(_BETWEEN.split(text)) else _NOTHING


def _contains(root: str, packages: Sequence[JSONObject]) -> list[JSONObject]:
    return [_relation(root, "CONTAINS", str(package["SPDXID"])) for package in packages]


def _relation(one: str, kind: str, other: str) -> JSONObject:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
