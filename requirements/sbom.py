"""Writes the bill of materials that goes into the wheel and the image, as CycloneDX, from requirements/image.txt.

What bridge itself needs is required there, what its extras in the image need is optional. It is the same whenever and
wherever it is made: no time stamp, no serial number. `make lock` makes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from locked import Pinned, pinned, project, required, runtime
from packageurl import PackageURL

SBOM = Path(__file__).with_name("bridge-cdc.cdx.json")
UNSTEADY = ("serialNumber", "timestamp")  # what two runs would differ in
# Libraries in others' wheels, with versions of their own that no metadata tells.
BUNDLED = {"confluent-kafka": "librdkafka", "psycopg-binary": "libpq"}


def document(pins: list[Pinned], bundled: dict[str, str]) -> str:
    """The text of the file; `bundled` are versions of the libraries of `BUNDLED`, by package."""
    about = project()
    ours = _component(about["name"], about["version"], ComponentType.APPLICATION)
    ours.licenses.add(DisjunctiveLicense(id=about["license"]))
    bom = Bom()
    bom.metadata.component = ours
    scopes = dict.fromkeys((pin.name for pin in runtime(pins)), ComponentScope.OPTIONAL)
    scopes |= dict.fromkeys(required(pins), ComponentScope.REQUIRED)
    components = {pin.name: _component(pin.name, pin.version, ComponentType.LIBRARY) for pin in pins}
    for pin in pins:
        component = components[pin.name]
        component.scope = scopes.get(pin.name, ComponentScope.EXCLUDED)
        bom.components.add(component)
    for name, component in components.items():
        bom.register_dependency(component, [components[pin.name] for pin in pins if name in pin.users])
    bom.register_dependency(ours, [components[pin.name] for pin in pins if "bridge-cdc" in pin.users])
    for package, version in bundled.items():
        library = Component(
            name=BUNDLED[package],
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{BUNDLED[package]}@{version}",
            purl=PackageURL("generic", name=BUNDLED[package], version=version),
        )
        components[package].components.add(library)
        bom.register_dependency(components[package], [library])
    return json.dumps(_steady(json.loads(JsonV1Dot6(bom).output_as_string())), indent=1, sort_keys=True) + "\n"


def bundled() -> dict[str, str]:
    """The versions in the environment that this runs in, whose packages are the pinned ones."""
    import confluent_kafka
    from psycopg import pq

    major, minor = divmod(pq.version(), 10_000)
    return {"confluent-kafka": confluent_kafka.libversion()[0], "psycopg-binary": f"{major}.{minor}"}


def _component(name: str, version: str, kind: ComponentType) -> Component:
    url = PackageURL("pypi", name=name, version=version)
    return Component(name=name, version=version, type=kind, bom_ref=url.to_string(), purl=url)


def _steady(bom: dict[str, Any]) -> dict[str, Any]:
    for part in (bom, bom["metadata"]):
        for name in UNSTEADY:
            part.pop(name, None)
    bom["metadata"].pop("tools", None)  # a newer tool is no other bill
    return bom


if __name__ == "__main__":
    SBOM.write_text(document(pinned(), bundled()))
