-- What was applied so far.
select layer, file, checksum from bridge.schema_migration where checksum is not null
