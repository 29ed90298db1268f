-- How the partitioned tables stand: until when rows have a partition to go to (null: not even now), and how many rows
-- lie in the default partition because they had none. bridge.ensure_partitions() mends both. Beside them, how many lie
-- there for good, because their time is infinite, or beyond the years 1 to 9999.
create or replace view bridge.partition_status as
select parent, step, leaves, covered_until, runway, default_rows, timeless_rows
  from bridge.partition_report();
