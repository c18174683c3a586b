-- A list of sessions: `select`, the conditions of the filters that are given, the place of the page
-- before if there is one, and the order. What does not matter is not in the statement: so that it
-- can be prepared, and each list is one range of an index whatever its filters are.

-- name: select
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title, turn_id, failure_kind, failure_summary, stalled, unhealthy, projected_with
from sessions
where not deleted

-- name: app
and app = %(app)s

-- name: user
and user_id = %(user)s

-- name: workspace
and workspace = %(workspace)s

-- name: team
and team = %(team)s

-- name: scope
and scope = %(scope)s

-- name: agent
and agent = %(agent)s

-- name: status
and status = %(status)s

-- name: badge
and badge = %(badge)s

-- name: type
and type = %(type)s

-- name: parent
and parent_id = %(parent)s

-- name: root
and root_id = %(root)s

-- name: forked_from
and forked_from = %(forked_from)s

-- name: first_id
and session_id >= %(first_id)s

-- name: last_id
and session_id <= %(last_id)s

-- name: tag
and tags <> '{}' and tags @> array[%(tag)s]

-- name: starred
and starred = %(starred)s

-- name: text
and title ilike %(text)s

-- name: created_after
and created_at >= %(created_after)s

-- name: created_before
and created_at < %(created_before)s

-- name: updated_after
and updated_second >= date_trunc('second', %(updated_after)s::timestamptz)
and updated_at >= %(updated_after)s

-- name: updated_before
and updated_second <= date_trunc('second', %(updated_before)s::timestamptz)
and updated_at < %(updated_before)s

-- name: next_by_updated_at_desc
and updated_second <= date_trunc('second', %(next_value)s::timestamptz)
and (updated_at, session_id) < (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_updated_at_asc
and updated_second >= date_trunc('second', %(next_value)s::timestamptz)
and (updated_at, session_id) > (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_created_at_desc
and (created_at, session_id) < (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_created_at_asc
and (created_at, session_id) > (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_title_desc
and (coalesce(title, ''), session_id) < (%(next_value)s::text, %(next_id)s::uuid)

-- name: next_by_title_asc
and (coalesce(title, ''), session_id) > (%(next_value)s::text, %(next_id)s::uuid)

-- name: by_updated_at_desc
-- `updated_second` leads so that an index gives the order; within one the exact time decides.
order by updated_second desc, updated_at desc, session_id desc limit %(limit)s

-- name: by_updated_at_asc
-- `updated_second` leads so that an index gives the order; within one the exact time decides.
order by updated_second asc, updated_at asc, session_id asc limit %(limit)s

-- name: by_created_at_desc
order by created_at desc, session_id desc limit %(limit)s

-- name: by_created_at_asc
order by created_at asc, session_id asc limit %(limit)s

-- name: by_title_desc
order by coalesce(title, '') desc, session_id desc limit %(limit)s

-- name: by_title_asc
order by coalesce(title, '') asc, session_id asc limit %(limit)s
