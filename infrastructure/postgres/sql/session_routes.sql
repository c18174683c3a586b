-- Where sessions are that another server keeps.

-- name: add
insert into session_routes (public_id, manager, remote_id, app, user_id, scope, team)
values (%(public_id)s, %(manager)s, %(remote_id)s, %(app)s, %(user)s, %(scope)s, %(team)s)
-- Asked once more after a lost answer, it finds itself there.
on conflict (public_id) do nothing

-- name: get
select public_id, manager, remote_id, app, user_id, scope, team
from session_routes where public_id = %(public_id)s

-- name: of_manager
select public_id, manager, remote_id, app, user_id, scope, team
from session_routes where manager = %(manager)s and remote_id = any(%(remote_ids)s)

-- name: delete
delete from session_routes where public_id = %(public_id)s

-- name: forget_user
delete from session_routes where app = %(app)s and user_id = %(user)s
