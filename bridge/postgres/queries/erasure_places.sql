select places from bridge.erasure where id = %(id)s
