-- What each materialised view of bridge.matview_policy reads, through plain views too, and whether each change there
-- draws a number from bridge.event_seq: only then may a refresh be skipped where that stands still.
create or replace view bridge.matview_source as
with recursive reads as (
    select r.ev_class as reader, d.refobjid as relation
      from pg_catalog.pg_rewrite as r
      join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
       and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
), source as (
    select p.matview, r.relation
      from bridge.matview_policy as p join reads as r on r.reader = to_regclass(p.matview)
    union
    select s.matview, r.relation
      from source as s
      join pg_catalog.pg_class as c on c.oid = s.relation and c.relkind = 'v'
      join reads as r on r.reader = s.relation
)
select s.matview,
       s.relation::regclass as relation,
       t.since_xid,
       t.id is not null
       and c.relkind = 'r' and not c.relhassubclass and not c.relispartition    -- what is attached brings rows along
       and t.excluded = '{}'
       and 2 = (select count(*) from pg_catalog.pg_trigger as g                 -- of rows, and of TRUNCATE
                 where g.tgrelid = s.relation and g.tgenabled in ('O', 'A')
                   and g.tgfoid = to_regprocedure(format('bridge_tracking.record_%s()', t.id)))
       and not exists (select from pg_catalog.pg_subscription_rel as r where r.srrelid = s.relation) as is_recorded
  from source as s
  join pg_catalog.pg_class as c on c.oid = s.relation and c.relkind <> 'v'
  left join bridge.tracked_table as t on t.relation = s.relation;
