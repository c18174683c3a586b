-- Sessions that nobody drives any more.

-- name: undriven
-- `clock_timestamp()`, as leases have it. A lease whose time was over before the turn began is
-- deleted when it begins (`forget_lease_of_the_past`), so one that is found ran out in the turn.
select s.session_id, s.sequence, held.expires_at, last.presence_at, clock.at
from (select clock_timestamp() as at) as clock
cross join sessions as s
left join leases as held on held.session_id = s.session_id
left join presence as last on last.session_id = s.session_id
where s.status in ('starting', 'running', 'waiting', 'stopping') and not s.deleted and s.held is null
  and (%(only)s::uuid is null or s.session_id = %(only)s)
  and (%(after)s::uuid is null or s.session_id > %(after)s)
  and (last.presence_at is null or last.presence_at + %(vouched)s <= clock.at)
  and (held.expires_at + %(grace)s <= clock.at
       or (held.session_id is null and s.status in ('starting', 'stopping')
           and s.updated_at + %(unattended)s <= clock.at))
order by s.session_id
limit %(limit)s
