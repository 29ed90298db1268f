-- How many rows are wanted, as snapshot_keys.sql tells them.
select count(*) from {source} as {alias} where (
{condition}
)
