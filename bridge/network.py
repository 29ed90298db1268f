"""How soon a Postgres that vanished without a word is noticed: parameters of libpq's."""

from __future__ import annotations

from typing import Final

# A server that vanishes without a word is noticed within about 15 seconds; the user's own settings win.
NETWORK_DEFAULTS: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
