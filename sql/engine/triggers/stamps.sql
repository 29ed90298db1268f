-- What a writer cannot choose: an event's number, shard, time and status, and in the outbox its id. A default and the
-- columns' privileges would not do, because the tables' owner has all of them. The trigger sets what these columns had
-- defaults and an expression for, so that nothing is computed twice; a single row costs its writer no more than with
-- these, because each statement had to plan them anew.
alter table bridge.event_queue
    alter column id drop default,
    alter column seq drop default,
    alter column shard drop expression if exists;

create or replace trigger bridge_stamp before insert on bridge.event_queue
    for each row execute function bridge.stamp_event();

alter table bridge.entity_events
    alter column seq drop default,
    alter column shard drop expression if exists;

create or replace trigger bridge_stamp before insert on bridge.entity_events
    for each row execute function bridge.stamp_change();
