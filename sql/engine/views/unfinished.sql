-- Where pending events can be: above `seq` of each shard. Scans move on past the events that wait behind a dead one.
create or replace view bridge.unfinished as
select s.shard,
       least(s.scan_from,
             (select min(d.seq) from bridge.dead_event as d where d.shard = s.shard and d.holds_key)) as seq
  from bridge.shard as s;
