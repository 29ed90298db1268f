-- An id that a registry gives now, whatever it gave before.
insert into bridge.schema_id (registry, subject, fingerprint, schema_id)
values (%(registry)s, %(subject)s, %(fingerprint)s, %(schema_id)s)
on conflict (registry, subject, fingerprint)
   do update set schema_id = excluded.schema_id, confirmed_at = clock_timestamp()
