"""Which of librdkafka's properties make it run code of somebody else's, which a configuration must not bring.

Pure decisions, for relays and for `bridge.consumer`.
"""

from __future__ import annotations

import re

# These load a library, or are a shell's command.
RUN_CODE = ("plugin.library.paths", "ssl.engine.location", "ssl.engine.id", "sasl.kerberos.kinit.cmd")
# These may say what cannot do that: names of OpenSSL's own providers, and no file's; words that a shell leaves alone,
# for librdkafka puts them into the command line of kinit.
_WORD = re.compile(r"([\w.@/:+][\w.@/:+-]*)?", re.ASCII)
HARMLESS = {
    "ssl.providers": re.compile(r"[\w-]+(,[\w-]+)*", re.ASCII),
    "sasl.kerberos.principal": _WORD,
    "sasl.kerberos.keytab": _WORD,
    "sasl.kerberos.service.name": _WORD,
}


def runs_code(name: str, value: str) -> bool:
    """Whether librdkafka would load a library for this property, or hand it to a shell that makes more of it."""
    return name in RUN_CODE or (name in HARMLESS and HARMLESS[name].fullmatch(value) is None)
