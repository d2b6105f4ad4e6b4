/* Both readers, the framing and the packer on any bytes: an error or a record, never a crash. The
 * first byte picks the kind. */
#include <stdlib.h>

#include "base/json_out.h"
#include "source/kube_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enum kind kind = (enum kind)(data[0] % KIND_COUNT);
    const struct field_table *table = kind_info(kind)->table;
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1;
    AUTO_PTR(arena) a = arena_new(0);
    void *record = arena_alloc(a, table->size);
    struct err err = {0};
    if (pb_read_object(kind, bytes, len, a, record, &err) ||
        json_read_text(kind, bytes, len, a, record, &err) ||
        unpack_record(table, bytes, len, a, record, &err)) {
        (void)record_copy(table, record, a);
        AUTO(buf) out = BUF_INIT(1 << 20);
        struct json_out j = json_out(&out);
        record_dump(table, record, &j);
    }
    struct json_scan scan = {0};
    size_t off = 0;
    size_t n = 0;
    size_t used = 0;
    struct pb raw;
    (void)frame_next_json(bytes, len, &scan, &off, &n, &used, &err);
    (void)frame_next_protobuf(bytes, len, &off, &n, &used, &err);
    if (!frame_unwrap(bytes, len, &raw, &err)) {
        return 0;
    }
    return 0;
}
