-- name: rows_older_than
select session_id, sequence
from sessions
where projected_with < %(version)s
order by projected_with
limit %(limit)s

-- name: replace_row
-- What follows from the log; `due_at` too, so that a session is looked at once more if its time had
-- been put off without an event.
update sessions as s
set created_at = r.created_at, app = r.app, user_id = r.user_id, workspace = r.workspace,
  team = r.team, scope = r.scope, agent = r.agent, type = r.type, status = r.status,
  title = r.title, marks = r.marks, tags = r.tags, deleted = r.deleted, doc = r.doc,
  badge = r.badge, turn_id = r.turn_id, failure_kind = r.failure_kind,
  failure_summary = r.failure_summary, stalled = r.stalled, unhealthy = r.unhealthy,
  parent_id = r.parent_id, root_id = r.root_id, forked_from = r.forked_from,
  auto_stop = r.auto_stop, live_parent = case when s.held is null then r.live_parent end,
  due_at = case when s.held is null then r.due_at end,
  projected_with = r.projected_with, last_activity_at = r.last_activity_at,
  activity_second = date_trunc('second', r.last_activity_at), num_messages = r.num_messages,
  current_tool = r.current_tool, external_id = r.external_id, facets = r.facets,
  input_tokens = r.input_tokens, output_tokens = r.output_tokens, cost = r.cost
from json_populate_record(null::sessions, %(row)s::json) as r
where s.session_id = %(session)s and s.sequence = %(sequence)s
  and s.projected_with < r.projected_with

-- name: living_children
select session_id from sessions where live_parent = %(parent)s

-- name: apps
-- From one app to the next by the index: its cost is that of the apps, whatever sessions they have.
with recursive named as (
  (select app from sessions where not deleted order by app limit 1)
  union all
  select (select s.app from sessions s where not s.deleted and s.app > n.app order by s.app limit 1)
  from named n
  where n.app is not null
)
select app from named where app is not null limit %(limit)s
