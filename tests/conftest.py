"""Names the fixture families; the fixtures themselves are in tests/fix_*.py."""

pytest_plugins = ["fix_local", "fix_containers", "fix_database", "fix_registry", "fix_relay", "fix_kafka", "fix_acl"]
