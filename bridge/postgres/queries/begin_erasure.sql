-- The erasure that was begun and not finished, or a new one.
with begun as (
    select e.id from bridge.erasure as e
     where e.subject = sha256(convert_to(%(key)s, 'UTF8')) and e.entity_type is not distinct from %(entity_type)s
       and e.finished_at is null
     order by e.begun_at limit 1
), made as (
    insert into bridge.erasure (subject, entity_type, why, os_user, host)
    select sha256(convert_to(%(key)s, 'UTF8')), %(entity_type)s, %(why)s, %(os_user)s, %(host)s
     where not exists (select from begun)
    returning id
)
select id from begun union all select id from made
