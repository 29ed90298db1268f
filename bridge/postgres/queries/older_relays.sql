-- The relays that are alive and of a program older than one, and in how many seconds they count as gone if they say no more.
select relay_id, extract(epoch from seen_until - clock_timestamp())::float8 as seconds
  from bridge.relay
 where migration < %(oldest)s
   and seen_until >= clock_timestamp()
 order by relay_id
