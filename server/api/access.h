/*
 * Who may ask: host names, origins, bearer tokens. Pure.
 *
 * Without tokens the listener is on loopback (configuration sees to it) and everything there may
 * ask. Then only host names of loopback are taken, or those of http.allow_hosts: a web page that
 * points a name of its own at 127.0.0.1 gets 421. Writes with an Origin of another host are
 * refused in any case.
 */
#ifndef GATEHOUSE_API_ACCESS_H
#define GATEHOUSE_API_ACCESS_H

#include "api/http.h"
#include "config/config.h"

enum access {
    ACCESS_OPEN,  /* health, the dashboard's files: nothing of the cluster in them */
    ACCESS_TOKEN, /* what a token may read */
};

/* true, or a problem in the reply. Sets x->viewer. */
bool access_allow(const struct config *config, enum access access, struct exchange *x);
/* Is the Host header one we answer to? */
bool access_host(const struct config *config, const char *host);

#endif
