update bridge.retired_partition set trouble = %(trouble)s where id = %(id)s and trouble is distinct from %(trouble)s
