/*
 * Objects by which an AWS controller makes bindings later, or that say which target type those will
 * have: Gateway API routes, Gateways and classes, the configurations of the AWS controllers. They
 * are read from manifests only: the cluster's own are not watched, so what manifests leave out is
 * not known.
 */
#ifndef GATEHOUSE_MODEL_MAKER_H
#define GATEHOUSE_MODEL_MAKER_H

#include <stddef.h>

#include "model/field.h"

enum maker_kind {
    MAKER_NONE,
    MAKER_ROUTE, /* HTTPRoute, GRPCRoute, TCPRoute, TLSRoute, UDPRoute */
    MAKER_GATEWAY,
    MAKER_GATEWAY_CLASS,
    MAKER_BALANCER_CONFIG, /* LoadBalancerConfiguration */
    MAKER_GROUP_CONFIG,    /* TargetGroupConfiguration */
    MAKER_INGRESS_CLASS,
    MAKER_PARAMS_LBC, /* IngressClassParams */
    MAKER_PARAMS_AUTO
};

/* A reference as written: what it leaves out is "". */
struct maker_ref {
    const char *group;
    const char *kind;
    const char *namespace;
    const char *name;
};
struct maker_rule {
    struct list backends; /* struct maker_ref */
};
/* Settings of a TargetGroupConfiguration for some routes. */
struct maker_for_route {
    const char *kind;
    const char *namespace; /* "" = any */
    const char *name;      /* "" = any */
    const char *type;
};

/* All kinds in one shape: each has few fields, and no two mean another thing by one name. */
struct maker {
    struct list parents;     /* struct maker_ref: of a route */
    struct list rules;       /* struct maker_rule: of a route */
    const char *class_name;  /* of a Gateway */
    const char *controller;  /* of a class */
    struct maker_ref config; /* what a class, Gateway or LoadBalancerConfiguration is set up by */
    const char *merging;     /* of a LoadBalancerConfiguration: mergingMode */
    struct maker_ref target; /* of a TargetGroupConfiguration: whose groups */
    const char *type;        /* of a TargetGroupConfiguration or IngressClassParams: ip, instance */
    struct list routes;      /* struct maker_for_route */
    struct kvs annotations;  /* whether an IngressClass is the default */
};
extern const struct field_table maker_table;

/* What an object of this group (without version; `group_len` bytes) and kind is. */
enum maker_kind maker_kind(const char *group, size_t group_len, const char *kind);

#endif
