-- Whether events of an entity have a key that other rows' may have, too.
select exists (select from bridge.history
                where hashtextextended(entity_id, 0) = hashtextextended(%(key)s, 0) and entity_id = %(key)s
                  and entity_type = %(entity_type)s and event_key is not null)
