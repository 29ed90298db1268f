-- What is written from now on is none of its: its number is behind the last one drawn.
insert into bridge.replay (since, until, event_types, event_keys, topics, until_seq, why, os_user, host)
select %(since)s::timestamptz, %(until)s::timestamptz, %(types)s::text[], %(keys)s::text[], %(topics)s::text[],
       case when is_called then last_value else 0 end, %(why)s, %(os_user)s, %(host)s
  from bridge.event_seq
returning id
