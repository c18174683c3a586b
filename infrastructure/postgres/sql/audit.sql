-- The events that an auditor asks for, with the owner of each.

-- name: events
-- A window of positions bounds the work, and so do the events and the bytes of records that are
-- looked into: the last of them is a row too, even if it is not wanted, so that the next look goes on
-- from there. What is cheap to know is asked first: records are only read as JSON when the rest
-- holds. The size of a record is known without reading it; those beyond the bytes of a page are not
-- read.
select originator_id, originator_version, notification_id, topic, state, digest, app, user_id,
  is_wanted, size >= %(bytes)s or is_last
from (
  select looked_into.*,
    coalesce(sum(octet_length(state)) filter (where is_wanted)
      over (order by notification_id rows unbounded preceding), 0) as size
  from (
    select counted.*,
      number = %(looks)s or looked >= %(looked_bytes)s as is_last,
      (%(text)s::text is null
       or strpos(lower(readable_text_v1(state)), lower(%(text)s)) > 0)
      and (%(plain)s or exists (
        select
        from (select readable_json_v1(state) offset 0) as r (record)
        where (%(actor)s::text is null or r.record ->> 'actor' = %(actor)s)
          and (%(origins)s::text[] is null or r.record ->> 'origin' = any(%(origins)s))
          and (%(since)s::timestamptz is null
               or readable_time_v1(r.record ->> 'at') >= %(since)s)
          and (%(until)s::timestamptz is null
               or readable_time_v1(r.record ->> 'at') < %(until)s)
          and (%(tool)s::text is null
               or (topic like 'tool.%%' and r.record -> 'data' ->> 'name' = %(tool)s)
               or (topic like 'permission.%%' and r.record -> 'data' ->> 'tool' = %(tool)s))
      )) as is_wanted
    from (
      select candidates.*,
        row_number() over (order by notification_id rows unbounded preceding) as number,
        sum(octet_length(state))
          over (order by notification_id rows unbounded preceding) as looked
      from (
        select e.originator_id, e.originator_version, e.notification_id, e.topic, e.state, e.digest,
          o.app, o.user_id
        from events as e
        left join lateral (
          select s.app, s.user_id from sessions as s where s.session_id = e.originator_id
          union all
          select w.app, w.user_id from owner_of_scope_v1(e.originator_id) as w
          limit 1
        ) as o on true
        where e.notification_id > %(after)s and e.notification_id <= %(upto)s
          and (%(session)s::uuid is null or e.originator_id = %(session)s)
          and (%(all_types)s or e.topic = any(%(exact)s::text[])
               or exists (
                 select from unnest(%(prefixes)s::text[]) as p (prefix)
                 where starts_with(e.topic, p.prefix)))
          and (%(app)s::text is null or o.app = %(app)s)
          and (%(user)s::text is null or o.user_id = %(user)s)
        order by e.notification_id
        limit %(looks)s
      ) as candidates
    ) as counted
    where looked - octet_length(state) < %(looked_bytes)s
    offset 0
  ) as looked_into
  where is_wanted or is_last
) as page
where size - case when is_wanted then octet_length(state) else 0 end < %(bytes)s
order by notification_id
limit %(limit)s
