-- The oldest program that can work with this database: the number of the newest migration that one knows.
select coalesce(max(oldest_program), 0) from bridge.schema_migration
