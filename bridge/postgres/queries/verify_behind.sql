-- SQLite: what only the topics have is no phantom to a standby, which may get its event yet.
delete from unknown
 where not exists (select e.id from event e where e.id = unknown.id)
   and id not in (select id from departed)
