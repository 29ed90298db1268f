-- SQLite: how often an event has died by now.
update event set deaths = ? where id = ?
