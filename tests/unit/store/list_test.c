/*
 * A verification beside its watch: a list of the past, whose objects and gaps meet rows that the
 * watch has moved on meanwhile. The three tables that hold rows must agree.
 */
#include "store_help.h"

static const enum kind kinds[] = {KIND_POD, KIND_SERVICE, KIND_DEPLOYMENT};

static const char *rows_of(struct bed *b, enum kind kind)
{
    static const char head[] =
        "SELECT group_concat(t, ' ') FROM (SELECT name || '@' || resource_version AS t FROM ";
    char sql[512];
    (void)snprintf(sql, sizeof sql, "%s %s ORDER BY 1)", head,
                   kind == KIND_POD          ? "pod"
                   : kind == KIND_DEPLOYMENT ? "workload WHERE resource_version <> ''"
                                             : "object");
    return ask_text(b, sql);
}

/* what: "name@version"; its uid is its name. */
static struct change *seen(enum kind kind, const char *what, bool deleted, bool in_list)
{
    AUTO_PTR(arena) a = arena_new(0);
    char *name = arena_strdup(a, what);
    char *version = strchr(name, '@');
    *version++ = '\0';
    struct meta *m = named(record_new(kind, a), "shop", name, name, version);
    return change_one(kind, m, deleted, in_list);
}

static void list(struct bed *b, enum kind kind, const char *const *items)
{
    for (; *items != NULL; items++) {
        bed_apply(b, seen(kind, *items, false, true));
    }
}

static struct change *verification(enum kind kind, const char *version)
{
    struct change *c = change_rv(CHANGE_LIST_BEGIN, kind, version);
    c->verify = true;
    return c;
}

static int64_t repaired(struct bed *b)
{
    struct store_metrics m;
    store_metrics(b->s, &m);
    return (int64_t)m.repaired;
}

static void stand(struct bed *b, enum kind kind)
{
    static const char *const rows[] = {"kept@10", "left@11", "stale@12", "dead@13", NULL};
    bed_init(b);
    bed_begin(b);
    bed_apply(b, change_of_kind(CHANGE_LIST_BEGIN, kind));
    list(b, kind, rows);
    bed_apply(b, change_rv(CHANGE_LIST_END, kind, "14"));
    bed_apply(b, change_rv(CHANGE_BOOKMARK, kind, "20"));
    bed_commit(b);
}

static void a_verification_repairs_what_stood_and_leaves_what_the_watch_moved(void **state)
{
    (void)state;
    static const char *const past[] = {"kept@10", "stale@15", "dead@13",
                                       "lost@16", "next@30",  NULL};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct bed b;
        stand(&b, kinds[i]);
        bed_begin(&b);
        bed_apply(&b, verification(kinds[i], "20"));
        assert_false(store_in_list(b.s)); /* nobody waits for its end */
        bed_apply(&b, seen(kinds[i], "kept@25", false, false));
        bed_apply(&b, seen(kinds[i], "born@26", false, false));
        bed_apply(&b, seen(kinds[i], "dead@27", true, false));
        bed_commit(&b);
        bed_begin(&b); /* the list's own transactions are not those of the watch */
        list(&b, kinds[i], past);
        bed_apply(&b, seen(kinds[i], "late@28", false, false));
        bed_apply(&b, change_rv(CHANGE_LIST_END, kinds[i], "20"));
        bed_commit(&b);
        assert_string_equal(rows_of(&b, kinds[i]), "born@26 kept@25 late@28 lost@16 stale@15");
        assert_int_equal(repaired(&b), 3); /* left, stale, lost */
        assert_string_equal(ask_text(&b, "SELECT resource_version FROM sync"), "28");
        bed_fini(&b);
    }
}

/* Made anew under its old name while the list was on its way. */
static void a_verification_does_not_bring_back_an_earlier_object_of_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct bed b;
        AUTO_PTR(arena) a = arena_new(0);
        stand(&b, kinds[i]);
        bed_begin(&b);
        bed_apply(&b, verification(kinds[i], "20"));
        bed_apply(&b, seen(kinds[i], "kept@24", true, false));
        struct meta *again = named(record_new(kinds[i], a), "shop", "kept", "other", "25");
        bed_apply(&b, change_one(kinds[i], again, false, false));
        static const char *const past[] = {"kept@10", "left@11", "stale@12", "dead@13", NULL};
        list(&b, kinds[i], past);
        bed_apply(&b, change_rv(CHANGE_LIST_END, kinds[i], "20"));
        bed_commit(&b);
        assert_string_equal(rows_of(&b, kinds[i]), "dead@13 kept@25 left@11 stale@12");
        assert_int_equal(repaired(&b), 0);
        bed_fini(&b);
    }
}

static void a_broken_verification_changes_nothing(void **state)
{
    (void)state;
    static const char *const past[] = {"kept@10", NULL};
    struct bed b;
    stand(&b, KIND_SERVICE);
    bed_begin(&b);
    bed_apply(&b, verification(KIND_SERVICE, "20"));
    list(&b, KIND_SERVICE, past);
    bed_apply(&b, change_of_kind(CHANGE_LIST_ABORT, KIND_SERVICE));
    bed_apply(&b, seen(KIND_SERVICE, "dead@22", true, false));
    bed_apply(&b, seen(KIND_SERVICE, "dead@23", false, false)); /* nothing is held against it */
    bed_commit(&b);
    assert_string_equal(rows_of(&b, KIND_SERVICE), "dead@23 kept@10 left@11 stale@12");
    assert_int_equal(repaired(&b), 0);
    bed_fini(&b);
}

/* A rollback hands back the verification as it stood. */
static void a_rollback_keeps_the_verification_open(void **state)
{
    (void)state;
    static const char *const past[] = {"kept@10", "stale@12", "dead@13", NULL};
    struct bed b;
    stand(&b, KIND_POD);
    bed_begin(&b);
    bed_apply(&b, verification(KIND_POD, "20"));
    list(&b, KIND_POD, past);
    bed_commit(&b);
    bed_begin(&b);
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_POD, "20"));
    store_rollback(b.s);
    assert_string_equal(rows_of(&b, KIND_POD), "dead@13 kept@10 left@11 stale@12");
    bed_do(&b, change_rv(CHANGE_LIST_END, KIND_POD, "20"));
    assert_string_equal(rows_of(&b, KIND_POD), "dead@13 kept@10 stale@12");
    assert_int_equal(repaired(&b), 1);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verification_repairs_what_stood_and_leaves_what_the_watch_moved),
        cmocka_unit_test(a_verification_does_not_bring_back_an_earlier_object_of_a_name),
        cmocka_unit_test(a_broken_verification_changes_nothing),
        cmocka_unit_test(a_rollback_keeps_the_verification_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
