-- The rows of one tracked table beside what its events say: each key with what is wrong with it, if anything. Made into
-- SQL by bridge/admin/verify_capture.py, for names and expressions differ; without parameters, so that a % is one.
--
-- A TRUNCATE that gave no event for each row ends all rows of its table partition. After a dump and restore the
-- partitions have other numbers: then it is not known which rows it ended, and both are right.
--
-- A READ event (bridge.record_present) tells the state of a row that was there: it begins and ends with it.
--
-- Events that have left with their partition of the history may have changed whatever was last told before they were to
-- leave: an hour more, for clocks are set back. What differs then is `left`: not judged. So is a row without events that
-- may have been written by then; `older` is one that may be from before tracking. Of an event that bridge erase has
-- emptied, only the action counts: `erased`.
with retired as materialized (
    select r.range_from, r.range_to + interval '1 hour' as range_to
      from bridge.retired_partition as r
     where r.parent = 'bridge.history' and r.state <> 'restored'
    union all
    select b.range_from, b.range_to + interval '1 hour'
      from bridge.partition_bounds('bridge.history') as b
      join pg_inherits as i on i.inhrelid = b.leaf and i.inhdetachpending
), truncated as materialized (
    select h.seq, h.relation
      from bridge.history as h
     where h.entity_type = {name} and h.entity_id = '*' and h.action = 'TRUNCATE' and h.relation is not null
       and h.change_summary not like '%each with a DELETE event'
       and (h.occurred_at >= {since} or h.xid >= {since_xid})
), member as materialized (
    select {table}::oid as relation union select p.relid from pg_partition_tree({table}::oid::regclass) as p
), event as (
    select h.entity_id, h.seq, h.action, h.new_state, h.relation, h.occurred_at,
           case h.action when 'READ' then h.new_state else h.previous_state end as previous_state,
           h.headers ? 'bridge_erased' as is_erased, lag(h.headers ? 'bridge_erased') over of_key as former_is_erased,
           lag(h.occurred_at) over of_key as former_at,
           lag(h.seq) over of_key as former_seq, lag(h.action) over of_key as former_action,
           lag(h.new_state) over of_key as former_state, lag(h.relation) over of_key as former_relation,
           lead(h.seq) over of_key is null as is_last
      from bridge.history as h
     where h.entity_type = {name} and h.relation is not null and h.action <> 'TRUNCATE'
       and (h.occurred_at >= {since} or h.xid >= {since_xid})
    window of_key as (partition by h.entity_id order by h.seq)
), judged as (
    select e.*, case
               when e.former_seq is null then false    -- the row may have been there before tracking
               when e.former_at < (select max(r.range_to) from retired as r)
                    and exists (select from retired as r where r.range_to > e.former_at and r.range_from <= e.occurred_at)
                   then false
               when e.former_action = 'DELETE' then e.action <> 'INSERT'
               when ended.is_sure then e.action <> 'INSERT'
               when e.action = 'INSERT' then ended.is_sure is null
               when e.is_erased or e.former_is_erased then false
               else not (case when e.previous_state is not distinct from e.former_state then true
                              when e.previous_state is null or e.former_state is null then false
                              else {chain_agrees} end) end as is_broken
      from event as e
      left join lateral (
        select bool_or(t.relation = e.former_relation or not {is_partitioned}) as is_sure
          from truncated as t
         where t.seq > e.former_seq and t.seq < e.seq
           and (t.relation = e.former_relation or not {is_partitioned}
                or e.former_relation not in (select m.relation from member as m))
      ) as ended on true
), known as (
    select j.*, bool_or(j.is_broken) over (partition by j.entity_id order by j.seq) as was_broken
      from judged as j
), last as (
    select k.entity_id, k.new_state as state, k.was_broken, k.action <> 'DELETE' and ended.is_sure is not true as is_alive,
           ended.is_sure is false as is_doubtful, k.is_erased,
           coalesce(k.occurred_at < (select max(r.range_to) from retired as r), false) as may_have_changed
      from known as k
      left join lateral (
        select bool_or(t.relation = k.relation or not {is_partitioned}) as is_sure
          from truncated as t
         where t.seq > k.seq
           and (t.relation = k.relation or not {is_partitioned}
                or k.relation not in (select m.relation from member as m))
      ) as ended on true
     where k.is_last
), present as (
    select true as is_there, {key} as key, {state} as state, age(v.maker) as age from {pinned} as v
), compared as (
    select coalesce(l.entity_id, p.key, '') as key,
           case when p.is_there is null then case when l.is_alive and not l.is_doubtful then 'gone' end
                when l.entity_id is null then case when p.age > 0 and p.age <= {newer} then 'missing'
                                                   when p.age > 0 and p.age <= {tracked} then 'left'
                                                   else 'older' end
                when not l.is_alive then 'missing'
                when l.is_erased then 'erased'
                when l.state is not distinct from p.state then null
                when l.state is null or p.state is null then 'stale'
                when not {states_agree} then 'stale' end as kind,
           coalesce(l.was_broken, false) as is_broken, l.may_have_changed
      from last as l
      full join present as p on p.key = l.entity_id
)
select key, case when kind is not null and may_have_changed then 'left' else kind end as kind, is_broken from compared
