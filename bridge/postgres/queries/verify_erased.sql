-- Which of these events bridge erase has emptied.
select id::text from bridge.outbox where id = any (%(ids)s::uuid[]) and headers ? 'bridge_erased'
union all
select id::text from bridge.history where id = any (%(ids)s::uuid[]) and headers ? 'bridge_erased'
