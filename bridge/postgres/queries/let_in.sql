-- Forgets what was to be applied, and was not.
delete from bridge.schema_migration where checksum is null
