-- A list of sessions: `select`, the conditions of the filters that are given, the place of the page
-- before if there is one, and the order. What does not matter is not in the statement: so that it
-- can be prepared, and each list is one range of an index whatever its filters are.

-- name: select
-- The lease is looked up for the rows of the page only, whatever the page is sorted by; by the clock
-- of the database: one that has run out is not in force.
select s.session_id, s.sequence, s.position, s.digest, s.created_at, s.updated_at, s.status, s.app,
  s.user_id, s.doc, s.title, s.external_id, s.agent, s.input_tokens, s.output_tokens, s.cost,
  s.turn_id, s.failure_kind, s.failure_summary, s.stalled, s.unhealthy, s.projected_with,
  s.last_activity_at, s.num_messages, s.current_tool,
  (select row(l.session_id, l.token, l.holder, l.acquired_at, l.renewed_at, l.expires_at)
   from leases as l
   where l.session_id = s.session_id and l.expires_at > clock_timestamp()),
  s.held
from sessions as s

-- name: the_one
where s.session_id = %(session)s

-- name: called
-- By its name outside, whether it was deleted or not; more than two need not be told apart.
where s.external_id = %(external_id)s
order by s.app, s.session_id limit %(limit)s

-- name: those
where not s.deleted

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

-- name: any_status
and status = any(%(any_status)s)

-- name: badge
and badge = %(badge)s

-- name: any_badge
and badge = any(%(any_badge)s)

-- name: type
and type = %(type)s

-- name: any_type
and type = any(%(any_type)s)

-- name: parent
and parent_id = %(parent)s

-- name: root
and root_id = %(root)s

-- name: forked_from
and forked_from = %(forked_from)s

-- name: first_id
and s.session_id >= %(first_id)s

-- name: last_id
and s.session_id <= %(last_id)s

-- name: external_id
and external_id = %(external_id)s

-- name: facets
and facets <> '{}' and facets @> %(facets)s::jsonb

-- name: roots
and (parent_id is null) = %(roots)s

-- name: tag
and tags <> '{}' and tags @> array[%(tag)s]

-- name: marked
and marks @> %(marked)s::text[]

-- name: unmarked
and not marks && %(unmarked)s::text[]

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

-- name: active_after
and activity_second >= date_trunc('second', %(active_after)s::timestamptz)
and last_activity_at >= %(active_after)s

-- name: active_before
and activity_second <= date_trunc('second', %(active_before)s::timestamptz)
and last_activity_at < %(active_before)s

-- name: next_by_last_activity_at_desc
and activity_second <= date_trunc('second', %(next_value)s::timestamptz)
and (last_activity_at, s.session_id) < (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_last_activity_at_asc
and activity_second >= date_trunc('second', %(next_value)s::timestamptz)
and (last_activity_at, s.session_id) > (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_updated_at_desc
and updated_second <= date_trunc('second', %(next_value)s::timestamptz)
and (updated_at, s.session_id) < (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_updated_at_asc
and updated_second >= date_trunc('second', %(next_value)s::timestamptz)
and (updated_at, s.session_id) > (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_created_at_desc
and (created_at, s.session_id) < (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_created_at_asc
and (created_at, s.session_id) > (%(next_value)s::timestamptz, %(next_id)s::uuid)

-- name: next_by_title_desc
and (coalesce(title, ''), s.session_id) < (%(next_value)s::text, %(next_id)s::uuid)

-- name: next_by_title_asc
and (coalesce(title, ''), s.session_id) > (%(next_value)s::text, %(next_id)s::uuid)

-- name: by_last_activity_at_desc
order by activity_second desc, last_activity_at desc, s.session_id desc limit %(limit)s

-- name: by_last_activity_at_asc
order by activity_second asc, last_activity_at asc, s.session_id asc limit %(limit)s

-- name: by_updated_at_desc
-- `updated_second` leads so that an index gives the order; within one the exact time decides.
order by updated_second desc, updated_at desc, s.session_id desc limit %(limit)s

-- name: by_updated_at_asc
-- `updated_second` leads so that an index gives the order; within one the exact time decides.
order by updated_second asc, updated_at asc, s.session_id asc limit %(limit)s

-- name: by_created_at_desc
order by created_at desc, s.session_id desc limit %(limit)s

-- name: by_created_at_asc
order by created_at asc, s.session_id asc limit %(limit)s

-- name: by_title_desc
order by coalesce(title, '') desc, s.session_id desc limit %(limit)s

-- name: by_title_asc
order by coalesce(title, '') asc, s.session_id asc limit %(limit)s
