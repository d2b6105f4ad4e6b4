/* The contract as bodies: the YAML that was built in, and the same document as JSON. */
#ifndef GATEHOUSE_API_OPENAPI_H
#define GATEHOUSE_API_OPENAPI_H

#include "api/body.h"
#include "base/err.h"

struct body *openapi_yaml(void);
struct body *openapi_json(void);

/* A YAML document as JSON: aliases resolved, plain scalars typed as YAML 1.2's core schema has
 * them. ERR_INPUT with line. Pure. */
bool yaml_to_json(const char *text, size_t len, struct buf *out, struct err *err) MUST_CHECK;

#endif
