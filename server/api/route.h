/* The routes: which handler takes which method and path, with which parameters. Pure. */
#ifndef GATEHOUSE_API_ROUTE_H
#define GATEHOUSE_API_ROUTE_H

#include "api/access.h"
#include "api/worker.h"

struct route {
    unsigned methods; /* enum method bits */
    enum access access;
    const char *pattern;
    handler_fn *handler;
    const char *params; /* allowed query parameters, between blanks */
};

/* The route of the path (already split into req->segments); fills req->args. *ret_methods are those
 * that the path takes, of all its routes; NULL when none takes this method or the path is none. */
const struct route *route_find(struct request *req, unsigned *ret_methods);
/* All routes, for the test that holds them to the OpenAPI document. */
const struct route *route_all(size_t *ret_n);

#endif
