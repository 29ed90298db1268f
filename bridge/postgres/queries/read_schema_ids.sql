-- The ids that a registry gave before.
select subject, fingerprint, schema_id from bridge.schema_id where registry = %(registry)s
