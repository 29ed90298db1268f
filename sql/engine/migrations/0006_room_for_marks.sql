-- A good half of each page is left free, not a quarter: a batch may mark all rows of a page in one transaction, and the
-- old versions cannot be pruned before it has ended. With a quarter, up to two thirds of the marks moved to other pages
-- and into all indexes (docs/decisions/0006-room-for-marks.md). Rows that are there already stay as they are.
update bridge.partition_policy
   set storage = replace(storage, 'fillfactor = 75', 'fillfactor = 45')
 where parent in ('bridge.event_queue'::regclass, 'bridge.entity_events'::regclass);

do $$
declare
    leaf regclass;
begin
    for leaf in
        select inhrelid::regclass
          from pg_inherits
         where inhparent in ('bridge.event_queue'::regclass, 'bridge.entity_events'::regclass) loop
        execute format('alter table %s set (fillfactor = 45)', leaf);
    end loop;
end $$;
