-- SQLite: why it cannot be judged that this event is missing.
update missing set reason = ? where rowid = ?
