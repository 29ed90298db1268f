select bridge.note_retired(%(id)s, %(trouble)s)
