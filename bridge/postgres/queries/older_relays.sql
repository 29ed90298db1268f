-- The relays that are alive and of a program older than one, and in how many seconds they count as gone if they say no more:
-- at most an hour, the longest lease. `seen_until` may be anything, for relays write it themselves.
select relay_id,
       extract(epoch from least(seen_until, clock_timestamp() + interval '1 hour') - clock_timestamp())::float8 as seconds
  from bridge.relay
 where migration < %(oldest)s
   and seen_until >= clock_timestamp()
 order by relay_id
