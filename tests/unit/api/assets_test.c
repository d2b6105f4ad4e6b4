/* The dashboard's files: what is taken from the folder, what each is called, which may be kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/assets.h"

static void put(const char *dir, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static const char *const names[] = {
    "index.html",          "assets/main-QDKBWMRA.js", "assets/main-JLOO6CL4.css",
    "assets/d41d8cd9.txt", "assets/a-d41d8cd98f.map", "assets/my-component.js",
    "assets/page-list.js", "assets/A-LONG.svg",       ".hidden",
    "assets/page.js.gz"};

static void given_a_folder_when_loaded_then_names_types_and_what_may_be_kept(void **state)
{
    (void)state;
    char dir[] = "/tmp/gatehouse-assets-XXXXXX";
    char path[256];
    char note[128];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/assets", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        put(dir, names[i], names[i]);
    }
    (void)snprintf(path, sizeof path, "%s/assets/passwd.txt", dir);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    const struct assets *a = assets_load(dir, note, sizeof note);
    static const struct {
        const char *path;
        const char *type; /* NULL = not there */
        bool immutable;
    } cases[] = {
        {"index.html", "text/html; charset=utf-8", false},
        {"assets/main-QDKBWMRA.js", "text/javascript; charset=utf-8", true},
        {"assets/main-JLOO6CL4.css", "text/css; charset=utf-8", true},
        {"assets/a-d41d8cd98f.map", "application/json", true},
        {"assets/d41d8cd9.txt", "text/plain; charset=utf-8", false},
        {"assets/my-component.js", "text/javascript; charset=utf-8", false},
        {"assets/page-list.js", "text/javascript; charset=utf-8", false},
        {"assets/A-LONG.svg", "image/svg+xml", false},
        {".hidden", NULL, false},
        {"assets/page.js.gz", NULL, false},
        {"assets/passwd.txt", NULL, false},
        {"assets", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct asset *found = assets_find(a, cases[i].path);
        if ((found != NULL) != (cases[i].type != NULL)) {
            fail_msg("%s: %s", cases[i].path, found != NULL ? "is there" : "is not there");
        }
        if (found != NULL) {
            assert_string_equal(found->content_type, cases[i].type);
            if (found->immutable != cases[i].immutable) {
                fail_msg("%s: immutable %d", cases[i].path, found->immutable);
            }
            assert_memory_equal(body_data(found->body), cases[i].path, body_len(found->body));
        }
    }
    assert_non_null(strstr(note, "1 files left out"));
    assets_free(a);
    (void)snprintf(path, sizeof path, "rm -rf %s", dir);
    assert_int_equal(system(path), 0);
}

static void given_no_folder_when_loaded_then_a_page_says_so(void **state)
{
    (void)state;
    char note[128];
    const struct assets *a = assets_load("/nowhere/at/all", note, sizeof note);
    const struct asset *page = assets_find(a, "index.html");
    assert_non_null(page);
    assert_non_null(strstr(body_data(page->body), "The dashboard is not installed here"));
    struct request req = {.n_segments = 4, .segments = {"r", "shop", "deployment", "web"}};
    assert_ptr_equal(assets_of(a, &req), page);
    req = (struct request){.n_segments = 1, .segments = {"r"}};
    assert_null(assets_of(a, &req));
    assets_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_folder_when_loaded_then_names_types_and_what_may_be_kept),
        cmocka_unit_test(given_no_folder_when_loaded_then_a_page_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
