-- Takes every shard from whoever has it, as a takeover does, where older programs cannot work with the database any
-- more: a relay that was stopped for long, and goes on, must not write into what it does not know.
update bridge.shard
   set owner = null, lease_until = null, generation = generation + 1, updated_at = pg_catalog.clock_timestamp()
 where %(oldest)d > (select coalesce(max(oldest_program), 0) from bridge.schema_migration where checksum is not null)
