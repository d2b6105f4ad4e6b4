-- Version 3: pods that were there a moment ago, since their targets outlive them: what ELBv2 said of a target after its
-- pod was gone tells whether shutdown hurts. The newest of each workload, for a quarter of an hour.

CREATE TABLE gone_pod (
    id INTEGER PRIMARY KEY,
    workload_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    ip TEXT NOT NULL,                    -- canonical
    gone_at INTEGER NOT NULL,
    cut_at INTEGER NOT NULL DEFAULT 0    -- when its target was first seen still to get requests; 0 = was not
);
CREATE INDEX gone_pod_workload ON gone_pod (workload_id, id);
CREATE INDEX gone_pod_age ON gone_pod (gone_at);
