-- In the order of the records, so that two consumers that both believe a partition to be theirs (one was stopped for
-- long) wait for each other at the first event that both have, and neither goes past one that the other may give up.
insert into bridge_inbox.received (consumer_group, ce_source, ce_id)
select %(group)s, r.ce_source, r.ce_id
  from unnest(%(sources)s::text[], %(ids)s::text[]) with ordinality as r (ce_source, ce_id, position)
 order by r.position
    on conflict do nothing
returning ce_source, ce_id
