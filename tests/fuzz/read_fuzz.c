/* Both readers, the framing and the packer on any bytes: an error or a record, never a crash. The
 * first byte picks the kind. */
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "source/kube_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a body in pieces of `step`. */
static void frame_all(enum frame_form form, const char *bytes, size_t len, size_t step)
{
    struct frame_reader r;
    struct err err = {0};
    frame_init(&r);
    frame_start(&r, form);
    bool on = true;
    for (size_t at = 0; on && at < len; at += step) {
        on = frame_feed(&r, bytes + at, step < len - at ? step : len - at, &err);
        enum frame_what what = FRAME_ITEM;
        while (on && what != FRAME_MORE) {
            const char *item = NULL;
            size_t n = 0;
            what = frame_next(&r, &item, &n, &err);
            on = what != FRAME_BAD;
        }
    }
    (void)frame_whole(&r, &err);
    frame_fini(&r);
}

/* What is packed and unpacked is the same record. */
static void check_copy(const struct field_table *table, const void *record, struct arena *a)
{
    AUTO(buf) was = BUF_INIT(64 << 20);
    AUTO(buf) is = BUF_INIT(64 << 20);
    struct json_out j = json_out(&was);
    struct json_out k = json_out(&is);
    record_dump(table, record, &j);
    record_dump(table, record_copy(table, record, a), &k);
    if (strcmp(buf_str(&was), buf_str(&is)) != 0) {
        abort();
    }
}

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
        check_copy(table, record, a);
    }
    struct pb raw;
    for (int form = FRAME_JSON_WATCH; form <= FRAME_PB_LIST; form++) {
        frame_all((enum frame_form)form, bytes, len, (size_t)data[0] + 1);
    }
    if (!frame_unwrap(bytes, len, &raw, &err)) {
        return 0;
    }
    return 0;
}
