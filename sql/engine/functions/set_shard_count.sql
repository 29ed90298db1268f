-- set_shard_count: change the number of shards, and with it where each key's events go.
--
-- Parameters: shards   from 1 to 1024
-- Returns:    nothing
-- Writes:     bridge.shard_count(), bridge.shard, bridge.retired_shard; the shard of dead events
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
    -- Writers finish or wait, and no relay can take a shard.
    lock table bridge.event_queue, bridge.entity_events, bridge.shard in share row exclusive mode;
    select s.shard, s.owner into holder from bridge.shard as s where s.lease_until > clock_timestamp() limit 1;
    if found then
        raise exception 'the relay % holds shard %', holder.owner, holder.shard
            using errcode = 'object_in_use', hint = 'Stop all relays first.';
    end if;
    select s.shard into holder from bridge.shard as s where s.stopped is not null limit 1;
    if found then
        raise exception 'shard % is stopped', holder.shard
            using errcode = 'object_in_use', hint = 'Run bridge recover first.';
    end if;
    select count(*) into pending
      from (select from bridge.unfinished as u join bridge.event_queue as q on q.shard = u.shard and q.seq > u.seq
             where q.status = 'PENDING'
            union all
            select from bridge.unfinished as u
              join bridge.entity_events as e on e.shard = u.shard and e.seq > u.seq
             where e.status = 'PENDING'
            limit 1000) as counted;
    if pending > 0 then
        raise exception '% events are still to be published',
            case pending when 1000 then '1000 or more' else pending::text end
            using errcode = 'object_in_use',
                  hint = 'Stop the writers and run: bridge run --until-empty, then bridge dead list';
    end if;

    select case when is_called then last_value else 0 end into last_seq from bridge.event_seq;
    if last_seq < bridge.highest_seq() then
        raise exception 'the sequence bridge.event_seq stands at %, but an event has the number %', last_seq,
            bridge.highest_seq()
            using errcode = 'object_in_use', hint = 'It was set back: start a relay, then run bridge recover.';
    end if;

    execute format('create or replace function bridge.shard_count() returns integer'
                   ' language sql immutable parallel safe return %s', shards);
    -- Dead events may be retried later.
    update bridge.event_queue set shard = bridge.shard_of(event_key) where status = 'DEAD';
    update bridge.entity_events set shard = bridge.shard_of(entity_type || ':' || entity_id) where status = 'DEAD';
    update bridge.dead_event set shard = bridge.shard_of(event_key);

    with retired as (
        delete from bridge.shard where shard >= shards returning *
    )
    insert into bridge.retired_shard select * from retired;
    with returning_shard as (
        delete from bridge.retired_shard where shard < shards returning *
    )
    insert into bridge.shard select * from returning_shard;
    insert into bridge.shard (shard) select generate_series(0, shards - 1) on conflict do nothing;
    update bridge.shard set scan_from = last_seq;   -- everything so far is finished
end $$;

revoke execute on function bridge.set_shard_count(integer) from public;
