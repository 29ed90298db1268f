-- decide_dead: what a person decides about dead events: that they are tried again, or given up; and keeps that.
--
-- Parameters: seqs           their numbers; those that are not dead, or were decided about, are passed
--             decision       retried or skipped
--             why            kept with the decision; needed for skipped, and kept with the event, too
--             os_user, host  who that is beside session_user, as far as they tell
--             died_at        when each of them died; one that has died again since is passed, as it may be of another
--                            reason. Null: whenever
-- Returns:    how many were dead. Retried ones are PENDING now, and go first among the events that waited for them;
--             skipped ones stay DEAD, and what waited goes on
-- Writes:     bridge.parked, bridge.shard, bridge.dead_decision
-- Errors:     22023 invalid_parameter_value
create or replace function bridge.decide_dead(
    seqs bigint[], decision text, why text default null, os_user text default null, host text default null,
    died_at timestamptz[] default null
) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    decided bigint;
begin
    if decision is null or decision not in ('retried', 'skipped') then
        raise exception 'a decision is retried or skipped' using errcode = 'invalid_parameter_value';
    elsif decision = 'skipped' and coalesce(btrim(why), '') = '' then
        raise exception 'why must say why events are given up' using errcode = 'invalid_parameter_value';
    end if;
    perform from bridge.shard as s      -- first, as a claim does
      where s.shard in (select p.shard from bridge.parked as p where p.seq = any (seqs) and p.state = 'dead')
      order by s.shard
        for update;
    with dead as materialized (
        select p.*
          from (select distinct u.seq, u.at from unnest(seqs, died_at) as u (seq, at)) as w
          join bridge.parked as p on p.seq = w.seq
         where p.state = 'dead' and (died_at is null or p.since = w.at)
    ), changed as (
        update bridge.parked as p
           set state = decision, blocks = d.blocks and decision = 'retried', stops = d.stops and decision = 'retried',
               since = case decision when 'retried' then clock_timestamp() else d.since end,
               reason = case decision when 'retried' then d.reason else concat_ws('; skipped: ', d.reason, why) end
          from dead as d
         where p.seq = d.seq
        returning p.seq
    ), told as (
        update bridge.shard as s
           set decisions = s.decisions + 1,
               event_queue_dead = s.event_queue_dead - case decision when 'retried' then d.event_queue else 0 end,
               entity_events_dead = s.entity_events_dead - case decision when 'retried' then d.entity_events else 0 end
          from (select shard, count(*) filter (where source = 'event_queue') as event_queue,
                       count(*) filter (where source = 'entity_events') as entity_events
                  from dead
                 group by shard) as d
         where s.shard = d.shard
    ), kept as (
        insert into bridge.dead_decision (decision, why, os_user, host, event_id, seq, source, topic, died_of)
        select decision, why, os_user, host, d.event_id, d.seq, d.source, d.topic, d.reason
          from dead as d
         order by d.seq
    )
    select count(*) into decided from changed;
    return decided;
end $$;

revoke execute on function bridge.decide_dead(bigint[], text, text, text, text, timestamptz[]) from public;
