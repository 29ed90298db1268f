-- tracked_columns: the columns of a tracked table as they are now, and what becomes of each.
--
-- Parameters: tracked   a row of bridge.tracked_table
-- Returns:    number, name, type, collation; use: key, plain, masked, excluded, or virtual (a generated column that is
--             not stored: a trigger does not see its value); key_position from 1; is_known: whether it is certain which
--             column of bridge.tracked_table.columns it is, or that it is none of them
-- Writes:     nothing
-- Errors:     none
--
-- A column is known by its number. One that was dropped and added again is known by its name; so are all in a database
-- that was restored from a dump, where they have other numbers. There, one that nobody knows is masked, because it may
-- be a masked one that was renamed; and a dump keeps the columns' order, so where that is another, names were
-- exchanged, and nobody knows any. A generated column shows what it is computed from, so it is treated alike.
create or replace function bridge.tracked_columns(tracked bridge.tracked_table)
    returns table (number int2, name name, type oid, "collation" oid, use text, key_position integer, is_known boolean)
    language sql stable rows 20
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with column_now as materialized (
        select * from bridge.current_columns(tracked.relation)
    ), known as materialized (
        select k.key::int2 as number, k.value::name as name,
               k.key::int2 = any (tracked.key || tracked.excluded || tracked.masked) as has_use,
               exists (select from column_now as n where n.number = k.key::int2) as is_there
          from jsonb_each_text(tracked.columns) as k
    ), home as materialized (
        select tracked.home = bridge.tracking_home() as is_home, tracked.excluded || tracked.masked <> '{}'
                                                                 or tracked.dropped <> '{}' as hides
    ), bound as (
        select n.*, case when h.is_home
                         then coalesce((select k.number from known as k
                                         where k.name = n.name and k.has_use and not k.is_there
                                           and n.number <> all (tracked.key || tracked.excluded || tracked.masked)),
                                       n.number)
                         else (select k.number from known as k where k.name = n.name) end as bound, h.is_home, h.hides
          from column_now as n cross join home as h
    ), ordered as (
        select b.*, b.is_home or b.bound is null
                    or b.bound > coalesce(max(b.bound) over (order by b.number
                                                             rows between unbounded preceding and 1 preceding), 0::int2)
                    as is_behind
          from bound as b
    ), used as (
        select o.*, case when o.bound = any (tracked.key) then 'key'
                         when o.generated = 'v' then 'virtual'
                         when o.bound = any (tracked.excluded) then 'excluded'
                         when o.bound = any (tracked.masked) then 'masked'
                         else coalesce(tracked.dropped ->> o.name::text,
                                       case when o.hides and o.bound is null then 'masked' else 'plain' end) end as use,
               bool_and(o.is_behind) over () as has_order
          from ordered as o
    ), shown as (
        select u.number, h.use as of_use
          from used as u
          join used as h on h.name = any (u.computed_from) and h.use in ('excluded', 'masked')
        union all    -- a table partition's column may be computed otherwise
        select u.number, h.use
          from used as u
          join pg_class as c on c.oid = tracked.relation and c.relkind = 'p' and u.hides
         cross join lateral bridge.member_tables(tracked.relation) as m (relation)
         cross join lateral bridge.computed_from(m.relation) as f
          join used as h on h.name = f.shows and h.use in ('excluded', 'masked')
         where f.name = u.name
    )
    select u.number, u.name, u.type, u.collation,
           case when u.use = 'plain' and u.hides and not u.has_order then 'masked'
                when u.use not in ('plain', 'key') then u.use
                when exists (select from shown as s where s.number = u.number and s.of_use = 'excluded')
                     then case u.use when 'key' then 'masked' else 'excluded' end
                when exists (select from shown as s where s.number = u.number) then 'masked'
                else u.use end,
           array_position(tracked.key, u.bound), u.bound is not null and (u.has_order or not u.hides)
      from used as u
     order by u.number
$$;

revoke execute on function bridge.tracked_columns(bridge.tracked_table) from public;
