/* The depth of a YAML text (see yaml_depth.h). */
#include "base/yaml_depth.h"

#include <stdlib.h>
#include <yaml.h>

bool yaml_depth_ok(const char *text, size_t len, int max, size_t *ret_line, size_t *ret_column)
{
    yaml_parser_t parser;
    yaml_event_t e;
    int depth = 0;
    bool more = true;
    if (yaml_parser_initialize(&parser) == 0) {
        abort(); /* out of memory, as in base/mem */
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    while (more && depth <= max && yaml_parser_parse(&parser, &e) != 0) {
        depth += e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_MAPPING_START_EVENT;
        depth -= e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT;
        more = e.type != YAML_STREAM_END_EVENT;
        if (depth > max) {
            *ret_line = e.start_mark.line + 1;
            *ret_column = e.start_mark.column + 1;
        }
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    return depth <= max;
}
