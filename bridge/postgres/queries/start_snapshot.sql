insert into bridge.snapshot (tracked_id, relation, entity_type, key, condition, until_key, rows_guessed)
values (%(tracked_id)s, %(relation)s, %(name)s, %(key)s::int2[], %(condition)s, %(until_key)s::text[], %(rows_guessed)s)
on conflict (tracked_id) where state = 'unfinished' do nothing    -- somebody was faster
