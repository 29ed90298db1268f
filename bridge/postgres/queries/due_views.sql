-- Materialised views that are due, in their order, each with the milliseconds after which its refresh is broken off.
select matview, (extract(epoch from timeout) * 1000)::bigint
  from bridge.matview_staleness
 where is_due
