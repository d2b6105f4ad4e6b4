-- gatehouse store, version 1. A cache with a memory: rows of objects can be fetched again, history, alerts and
-- deliveries cannot. Times are Unix milliseconds, 0 = not known. States are the integers of model/words.h.
-- `body` columns hold packed records (model/pack.h), `track` what we remember beyond the object.

CREATE TABLE cluster (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    uid TEXT NOT NULL DEFAULT '',        -- uid of namespace kube-system: another uid means another cluster
    server TEXT NOT NULL DEFAULT '',
    version TEXT NOT NULL DEFAULT ''
);

-- One row a source: 'kubernetes', 'kubernetes/pods', 'aws', 'aws/ACCOUNT/REGION'.
CREATE TABLE source (
    cluster INTEGER NOT NULL,
    name TEXT NOT NULL,
    state INTEGER NOT NULL,              -- enum source_state
    message TEXT NOT NULL DEFAULT '',
    since INTEGER NOT NULL,              -- of the state
    ok_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (cluster, name)
) WITHOUT ROWID;

-- Where each kind's stream stands; written in the same transaction as the rows it vouches for.
CREATE TABLE sync (
    cluster INTEGER NOT NULL,
    kind INTEGER NOT NULL,               -- enum kind
    resource_version TEXT NOT NULL DEFAULT '',
    listed_at INTEGER NOT NULL DEFAULT 0,   -- last complete list
    verified_at INTEGER NOT NULL DEFAULT 0, -- last periodic verification
    repaired INTEGER NOT NULL DEFAULT 0,    -- rows that verifications had to change, ever
    PRIMARY KEY (cluster, kind)
) WITHOUT ROWID;

CREATE TABLE namespace (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    name TEXT NOT NULL,
    injection TEXT NOT NULL DEFAULT '',  -- verdict of the label
    label_seen_at INTEGER NOT NULL DEFAULT 0,
    rev INTEGER NOT NULL DEFAULT 0,      -- change counter of the namespace's views
    present INTEGER NOT NULL DEFAULT 0,  -- 1 while the API server has it
    UNIQUE (cluster, name)
);

-- All kinds but pods and workloads. ref: what the kind is looked up by (events: involved kind/name, slices: Service
-- name, ReplicaSets and ControllerRevisions: controller's uid, bindings: Service name).
CREATE TABLE object (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    ns_id INTEGER NOT NULL,              -- 0 for cluster-wide kinds
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    ref TEXT NOT NULL DEFAULT '',
    first_seen_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    track BLOB,                          -- kinds with memory (bindings: gate_flipped_at, registered_at)
    UNIQUE (cluster, kind, ns_id, name)
);
CREATE INDEX object_ref ON object (kind, ns_id, ref);

CREATE TABLE workload (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    ns_id INTEGER NOT NULL,
    kind TEXT NOT NULL,                  -- Deployment ... Pod, or the owner's own kind
    name TEXT NOT NULL,
    uid TEXT NOT NULL DEFAULT '',
    resource_version TEXT NOT NULL DEFAULT '',
    body BLOB,                           -- kube_workload; NULL when only its pods are known
    -- verdict
    state INTEGER NOT NULL DEFAULT 10,   -- unknown
    rank INTEGER NOT NULL DEFAULT 4,     -- rollout_state_rank: lists are ordered by it
    pace INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER NOT NULL DEFAULT 0,
    served_at INTEGER NOT NULL DEFAULT 0,
    eta INTEGER NOT NULL DEFAULT 0,
    revision TEXT NOT NULL DEFAULT '',
    revision_hash TEXT NOT NULL DEFAULT '',
    generation INTEGER NOT NULL DEFAULT 0,
    observed INTEGER NOT NULL DEFAULT 1,
    complete INTEGER NOT NULL DEFAULT 0,
    terminal INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0,
    images TEXT NOT NULL DEFAULT '[]',   -- JSON array of strings
    desired INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0,
    old INTEGER NOT NULL DEFAULT 0,
    by_state TEXT NOT NULL DEFAULT '{}', -- JSON object: pod state name -> count, zero left out
    gates_total INTEGER NOT NULL DEFAULT 0,
    gates_open INTEGER NOT NULL DEFAULT 0,
    gates_closed INTEGER NOT NULL DEFAULT 0,
    gates_absent INTEGER NOT NULL DEFAULT 0,
    gates_missing INTEGER NOT NULL DEFAULT 0,
    usual_p50_ms INTEGER NOT NULL DEFAULT 0,
    usual_p95_ms INTEGER NOT NULL DEFAULT 0,
    usual_from TEXT NOT NULL DEFAULT '', -- history, formula, ''
    cause TEXT NOT NULL DEFAULT '',      -- code of the primary cause
    cause_since INTEGER NOT NULL DEFAULT 0,
    severity INTEGER NOT NULL DEFAULT -1,-- worst severity of its findings, -1 = none
    next_look INTEGER NOT NULL DEFAULT 0,
    judged_at INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,  -- pods with containers ready and a v2 gate not open
    rev INTEGER NOT NULL DEFAULT 0,      -- change counter of the rollout's views
    UNIQUE (cluster, ns_id, kind, name)
);
CREATE INDEX workload_worst ON workload (cluster, rank, since, id);
CREATE INDEX workload_ns_worst ON workload (ns_id, rank, since, id);
CREATE INDEX workload_look ON workload (next_look) WHERE next_look > 0;

CREATE TABLE pod (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    ns_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    workload_id INTEGER NOT NULL DEFAULT 0, -- 0 = owner not known yet
    owner_uid TEXT NOT NULL DEFAULT '',     -- of its controller, '' = none
    revision TEXT NOT NULL DEFAULT '',      -- hash label value
    ip TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0,
    state INTEGER NOT NULL DEFAULT 7,       -- unknown
    state_since INTEGER NOT NULL DEFAULT 0,
    is_new INTEGER NOT NULL DEFAULT 0,
    gate_missing INTEGER NOT NULL DEFAULT 0,
    truths INTEGER NOT NULL DEFAULT 0,      -- kubelet + 4 * gate + 16 * elb, enum truth
    contradiction INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT '',
    node_key INTEGER NOT NULL DEFAULT 0,    -- 32-bit hash of its node's name, 0 = no node
    body BLOB NOT NULL,                     -- kube_pod
    track BLOB,                             -- pod_track
    UNIQUE (ns_id, name)
);
CREATE INDEX pod_workload ON pod (workload_id, created_at, id);
CREATE INDEX pod_orphan ON pod (owner_uid) WHERE workload_id = 0;
CREATE INDEX pod_node ON pod (node_key) WHERE node_key <> 0;

CREATE TABLE target_group (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    arn TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL DEFAULT '',
    balancer_arn TEXT NOT NULL DEFAULT '',
    body BLOB,                              -- elb_group, NULL until described
    described_at INTEGER NOT NULL DEFAULT 0,
    first_observed_at INTEGER NOT NULL DEFAULT 0,
    observed_at INTEGER NOT NULL DEFAULT 0, -- last complete health answer that changed a row
    gone_at INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    targets INTEGER NOT NULL DEFAULT 0,
    healthy INTEGER NOT NULL DEFAULT 0,
    rev INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX target_group_name ON target_group (name); -- bindings that give a name
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL,
    target TEXT NOT NULL,                   -- address in canonical form, or instance id
    port INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    first_seen_at INTEGER NOT NULL,
    state_since INTEGER NOT NULL,
    healthy_at INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL,                     -- elb_target
    UNIQUE (group_id, target, port)
);
CREATE INDEX target_address ON target (target, port);
-- Which bindings name which target group (by ARN, or by name while the ARN is not known).
CREATE TABLE binding_group (
    object_id INTEGER PRIMARY KEY,          -- the binding's row in object
    ns_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    arn TEXT NOT NULL,                      -- '' = only group_name is given
    group_name TEXT NOT NULL
);
CREATE INDEX binding_group_arn ON binding_group (arn);
CREATE INDEX binding_group_name ON binding_group (group_name) WHERE arn = '';
CREATE TABLE balancer (
    arn TEXT PRIMARY KEY,
    body BLOB NOT NULL,                     -- elb_balancer
    observed_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Measured opening times, per binding (cluster, namespace, name): the newest USUAL_SAMPLES.
CREATE TABLE usual (
    cluster INTEGER NOT NULL,
    ns_id INTEGER NOT NULL,
    binding TEXT NOT NULL,
    samples BLOB NOT NULL,                  -- little-endian int32 ms, oldest first
    p50_ms INTEGER NOT NULL,
    p95_ms INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (cluster, ns_id, binding)
) WITHOUT ROWID;

CREATE TABLE finding (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    ns_id INTEGER NOT NULL,                 -- 0 = the cluster
    workload_id INTEGER NOT NULL,           -- 0 = not about one rollout
    code TEXT NOT NULL,
    object TEXT NOT NULL,
    severity INTEGER NOT NULL,
    terminal INTEGER NOT NULL,
    confidence INTEGER NOT NULL,
    is_primary INTEGER NOT NULL,
    position INTEGER NOT NULL,              -- order within its rollout
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,          -- last time its text or count changed
    ended_at INTEGER NOT NULL DEFAULT 0,    -- 0 = holds
    since INTEGER NOT NULL,
    pods INTEGER NOT NULL,
    detail TEXT NOT NULL                    -- JSON: message, action, commands, docs, evidence, pod_names
);
CREATE INDEX finding_workload ON finding (workload_id, ended_at, position);
CREATE INDEX finding_ns ON finding (ns_id, ended_at) WHERE workload_id = 0;
CREATE INDEX finding_code ON finding (code, ended_at);
CREATE INDEX finding_ended ON finding (ended_at) WHERE ended_at > 0;

CREATE TABLE transition (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    workload_id INTEGER NOT NULL,
    what INTEGER NOT NULL,                  -- 0 rollout, 1 pod, 2 gate, 3 target
    pod TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    from_state TEXT NOT NULL DEFAULT '',
    to_state TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT ''
);
CREATE INDEX transition_workload ON transition (workload_id, id);
CREATE INDEX transition_at ON transition (at);

-- One row a rollout of one revision; finished_at 0 = the current one.
CREATE TABLE revision (
    id INTEGER PRIMARY KEY,
    workload_id INTEGER NOT NULL,
    revision TEXT NOT NULL,
    revision_hash TEXT NOT NULL,
    images TEXT NOT NULL DEFAULT '[]',
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL DEFAULT 0,
    served_at INTEGER NOT NULL DEFAULT 0,   -- first time every pod served
    outcome TEXT NOT NULL DEFAULT '',       -- served, failed, superseded, ''
    pods INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT ''          -- last primary cause
);
CREATE INDEX revision_workload ON revision (workload_id, id);

-- Counters kept by the writer, so that no request groups. what: 0 rollouts by state, 1 pods by state,
-- 2 rollouts by worst severity, 3 pods that wait for a v2 gate (state 0). ns_id 0 = the whole cluster.
CREATE TABLE tally (
    cluster INTEGER NOT NULL,
    ns_id INTEGER NOT NULL,
    what INTEGER NOT NULL,
    state INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (cluster, ns_id, what, state)
) WITHOUT ROWID;

CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    ns_id INTEGER NOT NULL,
    workload_id INTEGER NOT NULL,           -- 0 = namespace, target group, controller, gateway
    key TEXT NOT NULL,                      -- identity while it fires
    type TEXT NOT NULL,                     -- rollout.stuck ...
    cause TEXT NOT NULL DEFAULT '',
    severity INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL DEFAULT 0,
    updated_at INTEGER NOT NULL,
    body TEXT NOT NULL                      -- JSON data of the notification at its last change
);
CREATE UNIQUE INDEX alert_firing ON alert (key) WHERE ended_at = 0;
CREATE INDEX alert_started ON alert (started_at, id);

-- The outbox: rows are added in the transaction that decides the alert, and sent by the deliver thread.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    webhook_id TEXT NOT NULL,               -- stable over retries: receivers drop repeats by it
    alert_id INTEGER NOT NULL,
    receiver TEXT NOT NULL,                 -- name from configuration
    type TEXT NOT NULL,
    body TEXT NOT NULL,                     -- what is sent, rendered once
    state INTEGER NOT NULL,                 -- 0 pending, 1 delivered, 2 dead, 3 dropped (superseded)
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,               -- next try
    attempts INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER NOT NULL DEFAULT 0,
    last_status INTEGER NOT NULL DEFAULT 0, -- HTTP status, 0 = no answer
    last_error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX delivery_due ON delivery (receiver, next_at) WHERE state = 0;
CREATE INDEX delivery_alert ON delivery (alert_id);
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    reply TEXT NOT NULL DEFAULT ''          -- first 1 KiB
);
CREATE INDEX attempt_delivery ON attempt (delivery_id, id);

-- Spans in which the injecting webhook had no ready endpoint, and other cluster memory.
CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    what TEXT NOT NULL,                     -- injector_down
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX span_cluster ON span (cluster, id);

-- The commit counter and its relatives: key -> integer.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,                  -- revision, rev_summary, rev_rollouts, list_number ...
    n INTEGER NOT NULL
) WITHOUT ROWID;
