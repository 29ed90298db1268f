-- set_shard_count: change the number of shards, and with it where each key's events go.
--
-- Parameters: shards   from 1 to 1024
-- Returns:    nothing
-- Writes:     bridge.shard_count(), the rule of bridge.event_queue, bridge.shard, bridge.retired_shard, bridge.parked
-- Errors:     55006 object_in_use while events are pending, a relay holds a lease, a shard is stopped, or the sequence
--             of event numbers was set back; 55P03 lock_not_available while writers are at work,
--             22023 invalid_parameter_value
--
-- A key's next event may go to another shard than its last one, so nothing may be on its way: stop the writers, let the
-- relay publish the rest (bridge run --until-empty), stop the relay, call this.
create or replace function bridge.set_shard_count(shards integer) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $$
declare
    holder record;
    pending bigint;
    last_seq bigint;
begin
    if shards is null or shards not between 1 and 1024 then
        raise exception 'the number of shards must be from 1 to 1024, not %', coalesce(shards::text, 'null')
            using errcode = 'invalid_parameter_value';
    elsif shards = bridge.shard_count() then
        return;
    end if;
    -- Writers finish or wait, and no relay can take a shard. The view before its table, as its writers lock them: who
    -- waited for the table alone would write by the former rule.
    perform bridge.rewrite_inserts(shards);
    lock table bridge.outbox, bridge.history, bridge.shard in share row exclusive mode;
    select s.shard, s.owner into holder from bridge.shard as s where s.lease_until > clock_timestamp()
     order by s.shard limit 1;
    if found then
        raise exception 'the relay % holds shard %', holder.owner, holder.shard
            using errcode = 'object_in_use', hint = 'Stop all relays first.';
    end if;
    select s.shard into holder from bridge.shard as s where s.stopped is not null order by s.shard limit 1;
    if found then
        raise exception 'shard % is stopped', holder.shard
            using errcode = 'object_in_use', hint = 'Run bridge recover first.';
    end if;
    select count(*) into pending
      from (select from bridge.unread
            union all
            select from bridge.parked where state in ('waiting', 'deferred', 'retried', 'replayed')
            limit 1000) as counted;
    if pending > 0 then
        raise exception '% events are still to be published',
            case pending when 1000 then '1000 or more' else pending::text end
            using errcode = 'object_in_use',
                  hint = 'Stop the writers and run: bridge run --until-empty, then bridge dead list';
    end if;

    last_seq := coalesce(pg_sequence_last_value('bridge.event_seq'), 0);
    if last_seq < bridge.highest_seq() then
        raise exception 'the sequence bridge.event_seq stands at %, but an event has the number %', last_seq,
            bridge.highest_seq()
            using errcode = 'object_in_use', hint = 'It was set back: start a relay, then run bridge recover.';
    end if;

    execute format('create or replace function bridge.shard_count() returns integer'
                   ' language sql immutable parallel safe return %s', shards);
    -- Dead events may be retried later; their hash is the one that bridge.shard_of() takes.
    update bridge.parked set shard = (key_hash & 9223372036854775807) % shards;

    with retired as (
        delete from bridge.shard where shard >= shards returning *
    )
    insert into bridge.retired_shard select * from retired;
    with returning_shard as (
        delete from bridge.retired_shard where shard < shards returning *
    )
    insert into bridge.shard select * from returning_shard;
    insert into bridge.shard (shard) select generate_series(0, shards - 1) on conflict do nothing;
    update bridge.shard    -- everything so far is read
       set all_to = last_seq, all_at = clock_timestamp(), all_snapshot = pg_current_snapshot(), scan_from = last_seq,
           cursor = last_seq, snapshot = pg_current_snapshot(), late_cursor = null, late_snapshot = null,
           in_flight = null;
end $$;

revoke execute on function bridge.set_shard_count(integer) from public;
