-- What is written from now on is none of its: its number is behind the last one drawn.
insert into bridge.replay (since, until, event_types, event_keys, topics, until_seq, why, os_user, host)
select %(since)s::timestamptz, %(until)s::timestamptz, %(types)s::text[], %(keys)s::text[], %(topics)s::text[],
       coalesce(pg_sequence_last_value('bridge.event_seq'), 0), %(why)s, %(os_user)s, %(host)s
returning id
