-- name: of_session
-- `read_page` of log.sql, with its events as `record_json` makes them, one on each line; and the size
-- of the longest record. A record that does not begin as one is a line that cannot be read: left out,
-- another one of two lines could pass for both. Postgres works no more for it than for rows, and the
-- program far less.
select s.sequence, s.deleted, p.*
from sessions as s
left join lateral (
  select count(*), max(originator_version), max(size),
    string_agg(
      case when state >= '\x7b22' and state < '\x7b23'
        then public_record_v1(originator_id, originator_version, notification_id, digest, state)
        else 'x'
      end,
      '\x0a' order by originator_version),
    max(octet_length(state))
  from (
    select page.*,
      sum(octet_length(state)) over (order by originator_version rows unbounded preceding) as size
    from (
      select originator_id, originator_version, notification_id, state, digest
      from events
      where originator_id = %(session)s and originator_version > %(after)s
        and originator_version <= %(upto)s
        and (%(types)s::text[] = '{}' or topic = any(%(types)s))
      order by originator_version
      limit %(limit)s
    ) as page
  ) as summed
  where size - octet_length(state) < %(bytes)s
) as p on true
where s.session_id = %(session)s

-- name: of_all
-- `read_all` of log.sql, in the same way.
select l.head, p.*
from log_head as l
left join lateral (
  select count(*), max(notification_id), max(size),
    string_agg(
      case when state >= '\x7b22' and state < '\x7b23'
        then public_record_v1(originator_id, originator_version, notification_id, digest, state)
        else 'x'
      end,
      '\x0a' order by notification_id),
    max(octet_length(state))
  from (
    select page.*,
      sum(octet_length(state)) over (order by notification_id rows unbounded preceding) as size
    from (
      select originator_id, originator_version, notification_id, state, digest
      from events
      where notification_id > %(after)s and notification_id <= %(upto)s
      order by notification_id
      limit %(limit)s
    ) as page
  ) as summed
  where size - octet_length(state) < %(bytes)s
) as p on true
where l.log_id = 0

-- name: of_session_in_rows
-- `of_session` of all types, for records that are so short that they lie in their rows. That bounds
-- what is made, without a window over the rows, which was a quarter of the work. A longer record is a line
-- that cannot be read; then, and where the page came to more bytes than it may, it is read by `of_session`.
select s.sequence, s.deleted, p.*
from sessions as s
left join lateral (
  select count(*), max(originator_version), sum(octet_length(state)),
    string_agg(
      case when octet_length(state) <= %(in_row)s and state >= '\x7b22' and state < '\x7b23'
        then public_record_v1(originator_id, originator_version, notification_id, digest, state)
        else 'x'
      end,
      '\x0a' order by originator_version),
    max(octet_length(state))
  from (
    select originator_id, originator_version, notification_id, state, digest
    from events
    where originator_id = %(session)s and originator_version > %(after)s
      and originator_version <= %(upto)s
    order by originator_version
    limit %(limit)s
  ) as page
) as p on true
where s.session_id = %(session)s

-- name: of_all_in_rows
-- `of_all`, in the same way.
select l.head, p.*
from log_head as l
left join lateral (
  select count(*), max(notification_id), sum(octet_length(state)),
    string_agg(
      case when octet_length(state) <= %(in_row)s and state >= '\x7b22' and state < '\x7b23'
        then public_record_v1(originator_id, originator_version, notification_id, digest, state)
        else 'x'
      end,
      '\x0a' order by notification_id),
    max(octet_length(state))
  from (
    select originator_id, originator_version, notification_id, state, digest
    from events
    where notification_id > %(after)s and notification_id <= %(upto)s
    order by notification_id
    limit %(limit)s
  ) as page
) as p on true
where l.log_id = 0
