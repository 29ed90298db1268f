update bridge.erasure set places = places || %(places)s::jsonb where id = %(id)s and finished_at is null
