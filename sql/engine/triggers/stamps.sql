-- What a writer cannot choose: a change's number, transaction, shard and time. Defaults and the columns' privileges
-- would not do, because the table's owner has all of them.
create or replace trigger bridge_stamp before insert on bridge.history
    for each row execute function bridge.stamp_change();
