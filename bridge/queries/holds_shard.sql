-- Whether the shard is still ours, as we took it.
select exists (select from bridge.shard
                where shard = %(shard)s and owner = %(owner)s and generation = %(generation)s)
