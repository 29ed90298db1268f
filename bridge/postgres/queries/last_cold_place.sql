-- After which row the next file begins.
select last_place::text from bridge.cold_file where partition = %(id)s order by number desc limit 1
