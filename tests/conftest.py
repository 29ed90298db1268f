"""Names the fixture families; the fixtures themselves are in tests/fix_*.py."""

import signal

# Whoever runs the tests with nohup means them, and not the relays that are to end by SIGHUP.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

pytest_plugins = [
    "fix_local",
    "fix_containers",
    "fix_database",
    "fix_postgres",
    "fix_postgres_tls",
    "fix_registry",
    "fix_relay",
    "fix_kafka",
    "fix_acl",
    "fix_tls",
    "fix_pgbouncer",
    "fix_verify",
    "fix_version",
    "fix_command",
    "fix_consumer",
    "fix_helm",
    "java",
]
