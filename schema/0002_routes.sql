-- Version 2: what decides whether attributes, listeners and rules are worth asking for, kept beside the other counters,
-- and the load balancer that a target group stood behind last: where a listener was switched away, ELBv2 names none.

ALTER TABLE target_group ADD COLUMN unhealthy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE target_group ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
ALTER TABLE target_group ADD COLUMN not_in_use INTEGER NOT NULL DEFAULT 0;
ALTER TABLE target_group ADD COLUMN behind_arn TEXT NOT NULL DEFAULT ''; -- stands behind it, or stood last
UPDATE target_group SET behind_arn = balancer_arn,
    unhealthy = (SELECT count(*) FROM target t WHERE t.group_id = target_group.id AND t.state = 'unhealthy'),
    draining = (SELECT count(*) FROM target t WHERE t.group_id = target_group.id AND t.state = 'draining'),
    not_in_use = (SELECT count(*) FROM target t WHERE t.group_id = target_group.id AND t.reason = 'Target.NotInUse');
