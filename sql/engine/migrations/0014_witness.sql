-- Which takeover of each shard has been at work since this server began. A pooler hides that the server crashed, or
-- that another one took its place: a relay would go on with what it read before, and commits may be lost whose numbers
-- and transaction ids others have now. An unlogged table is emptied by a crash and is empty on a promoted standby, so a
-- claim that finds no witness is void, and the shard is taken over anew.
create unlogged table bridge.witness (
    shard smallint primary key,
    nonce uuid     not null     -- the takeover's; the generation could be given once more after a failover
);
