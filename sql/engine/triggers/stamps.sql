-- What a writer cannot choose: a change's number, transaction, shard and time. Defaults and the columns' privileges
-- would not do, because the table's owner has all of them.
create or replace trigger bridge_stamp before insert on bridge.history
    for each row execute function bridge.stamp_change();

-- The default partitions may hold any time. Those of one time get this trigger when they are finished.
select bridge.guard_partition(b.leaf, p.control)
  from (values ('bridge.outbox'::regclass, 'created_at'::name),
               ('bridge.history', 'occurred_at')) as p (parent, control)
 cross join lateral bridge.partition_bounds(p.parent) as b
 where b.is_default;
