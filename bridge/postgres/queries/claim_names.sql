-- Under which names this database's events are published: the first relay's, once anything was published under them.
insert into bridge.publisher as known (relay_name, control_topic)
values (%(relay_name)s, %(control_topic)s)
on conflict (only_one) do update
   set (relay_name, control_topic) = (
        select case when p.at_all then known.relay_name else excluded.relay_name end,
               case when p.at_all then known.control_topic else excluded.control_topic end
          from (select exists (select from bridge.shard where batch_id is not null) as at_all) as p)
returning relay_name, control_topic
