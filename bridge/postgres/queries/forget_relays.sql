-- Removes this relay on its way out, and those that have been gone for an hour.
delete from bridge.relay where relay_id = %(relay_id)s or seen_until < clock_timestamp() - interval '1 hour'
