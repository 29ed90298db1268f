-- The relays that are alive, and what each has done since it started, as it says itself every few seconds. `seen_until` was
-- set then, to a lease later.
select relay_id, host, pid, started_at, seen_until as reported_at, work
  from bridge.relay
 where seen_until >= clock_timestamp()
 order by started_at, relay_id
