"""`make audit`: known vulnerabilities, and licences, of what bridge and its image install with. Exit code 1: not well.

Vulnerabilities are asked for over the network. Where nothing can be learnt, this says so, and fails only with --strict,
as for a release.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from locked import IMAGE, Pinned, pinned, runtime

# As pip-licenses tells them. The wheel contains none of these packages; MPL and LGPL, which the image hands on, ask for
# the source of their own files, which is public and unchanged.
ALLOWED = frozenset(
    {
        *("Apache Software License", "Apache-2.0", "Apache-2.0 AND BSD-2-Clause", "Apache-2.0 OR BSD-2-Clause"),
        *("Apache-2.0 AND MIT", "Apache Software License; BSD License", "3-Clause BSD License"),
        *("Apache-2.0 OR BSD-3-Clause", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT License", "MIT-0"),
        *("PSF-2.0", "Python Software Foundation License", "ISC", "0BSD"),
        *("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0", "MPL-2.0 AND (Apache-2.0 OR MIT)"),
        *("LGPL-3.0-only",),  # psycopg
    }
)


def vulnerable(report: dict[str, Any]) -> list[str]:
    """Lines about what is known of packages, from pip-audit's report."""
    return [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in report["dependencies"]
        for flaw in package.get("vulns", ())
    ]


def unknown(report: dict[str, Any]) -> list[str]:
    """The packages of which nobody told anything."""
    return [package["name"] for package in report["dependencies"] if "skip_reason" in package]


def forbidden(licences: list[dict[str, str]]) -> list[str]:
    """Lines about licences that are not allowed, from pip-licenses' report."""
    return [f"{one['Name']} {one['Version']}: {one['License']}" for one in licences if one["License"] not in ALLOWED]


def audit_vulnerabilities(pins: list[Pinned], *, is_strict: bool) -> bool:
    """Print what is known; False where a flaw is, or, if strict, where something could not be learnt."""
    asked = ["pip_audit", "--requirement", str(IMAGE), "--require-hashes", "--disable-pip", "--format", "json"]
    told = _run(*asked, "--progress-spinner", "off", "--timeout", "15")
    try:
        report = json.loads(told.stdout)
    except ValueError:  # the service cannot be reached
        report = {"dependencies": [{"name": pin.name, "skip_reason": "no answer"} for pin in pins]}
    flaws, silent = vulnerable(report), unknown(report)
    for flaw in flaws:
        print(f"vulnerable: {flaw}")
    if silent:
        print(f"vulnerabilities: NOT CHECKED for {len(silent)} of {len(pins)} packages, of which nothing was told here")
    else:
        print(f"vulnerabilities: {len(flaws)} in {len(pins)} packages")
    return not flaws and not (is_strict and silent)


def audit_licences(pins: list[Pinned]) -> bool:
    """Print what is not allowed; False where something is, or a package is not installed."""
    told = _run("piplicenses", "--format", "json", "--with-system", "--packages", *(pin.name for pin in pins))
    licences = json.loads(told.stdout)
    wrong = forbidden(licences)
    for one in wrong:
        print(f"licence: {one}, which requirements/audit.py does not allow")
    if len(licences) != len(pins):
        print(f"licences: {len(licences)} of {len(pins)} packages are installed: make venv")
    print(f"licences: {len(licences) - len(wrong)} of {len(pins)} packages have one that is allowed")
    return not wrong and len(licences) == len(pins)


def _run(*module: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    pins = pinned()
    is_clean = audit_vulnerabilities(pins, is_strict="--strict" in sys.argv[1:])
    sys.exit(not (audit_licences(runtime(pins)) and is_clean))
