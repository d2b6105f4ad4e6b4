/*
 * Findings that hang on no rollout: of a namespace and of the whole cluster.
 */
#include "model/cause_in.h"

void judge_namespace(const struct facts_namespace *ns, const struct facts_cluster *cluster,
                     const struct policy *policy, struct arena *arena, struct list *ret_findings)
{
    (void)ns;
    (void)cluster;
    (void)policy;
    (void)arena;
    *ret_findings = (struct list){0};
}

void judge_cluster(const struct facts_cluster *cluster, const struct policy *policy,
                   struct arena *arena, struct list *ret_findings)
{
    (void)cluster;
    (void)policy;
    (void)arena;
    *ret_findings = (struct list){0};
}
