-- lock_for_attaching: see to it that a table can be given a partition, or have one taken, with the rights of the
-- schema's owner, until the transaction ends.
--
-- Parameters: parent   a table of bridge.partition_policy
-- Returns:    nothing
-- Writes:     nothing
-- Errors:     42501 insufficient_privilege where that would run functions of somebody's; as bridge.lock_for_reading
--
-- Postgres computes what is constant in the constraints and indexes of the table and of its default partition, and
-- plans queries of those that foreign keys lead to and from. To do it with the table owner's rights would not help: his
-- code could set the session's search_path, or leave a deferred trigger, which fires as whoever commits.
create or replace function bridge.lock_for_attaching(parent regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    default_leaf constant regclass := (select b.leaf from bridge.partition_bounds(parent) as b where b.is_default);
    related regclass;
    code text;
begin
    if bridge.is_ours(parent) then
        return;
    end if;
    perform bridge.lock_for_reading(parent, false);
    for related in
        select default_leaf where default_leaf is not null
        union
        select r.relation
          from pg_constraint as k
         cross join lateral (values (k.conrelid::regclass), (k.confrelid::regclass)) as r (relation)
         where k.contype = 'f' and parent in (k.conrelid, k.confrelid) and r.relation <> parent loop
        perform bridge.lock_for_reading(related);
    end loop;
    select c.code into code
      from pg_constraint as k
     cross join lateral bridge.someones_code('pg_constraint'::regclass, k.oid) as c (code)
     where k.contype = 'c' and c.code is not null
       and (k.conrelid = parent
            or k.conrelid in (select m.relation from bridge.member_tables(default_leaf) as m (relation)))
     limit 1;
    if found then
        raise exception 'a new partition of % would run with the rights of %: %', parent, current_user, code
            using errcode = 'insufficient_privilege',
                  hint = format('If it can be trusted, with all that it calls, make it %I''s or a superuser''s (ALTER'
                                ' ... OWNER TO); else bridge partition --forget.', current_user);
    end if;
end $$;

revoke execute on function bridge.lock_for_attaching(regclass) from public;
