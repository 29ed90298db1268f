-- What a writer cannot choose: a change's number, transaction, shard and time. Defaults and the columns' privileges
-- would not do, because the table's owner has all of them.
create or replace trigger bridge_stamp before insert on bridge.history
    for each row execute function bridge.stamp_change();

-- The default partitions may hold any time. Those of one time get this trigger when they are finished.
select bridge.guard_partition('bridge.outbox_default', 'created_at');
select bridge.guard_partition('bridge.history_default', 'occurred_at');
