-- SQLite: dead letters have the order of the deaths, so it is not known which of them came first.
update missing set reason = :reason where status in ('DEAD', 'GIVEN UP') and reason is null
