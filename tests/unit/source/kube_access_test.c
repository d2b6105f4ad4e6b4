/*
 * Who we are and where the server is: kubeconfig as client-go merges it (tools/clientcmd tests),
 * the in-cluster account, and exec plugins under limits (plugin/pkg/client/auth/exec tests).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "source/kube_access.h"
#include "source/kube_login.h"

struct fixture {
    struct arena *a;
    struct kube_access access;
    struct err err;
    char dir[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->a = arena_new(0);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/gatehouse-access-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    arena_free(f->a);
    free(f);
    return 0;
}

static const char *put(struct fixture *f, const char *name, const char *text)
{
    char *path = arena_printf(f->a, "%s/%s", f->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

static bool resolve(struct fixture *f, const char *text, const char *context)
{
    struct kubeconfig *kc = kubeconfig_new(f->a);
    f->err = (struct err){0};
    return kubeconfig_add(kc, "/etc/k/config", text, strlen(text), &f->err) &&
           kubeconfig_resolve(kc, context, &f->access, &f->err);
}

static const char two_contexts[] =
    "apiVersion: v1\nkind: Config\ncurrent-context: red\n"
    "clusters:\n"
    "- name: red-cluster\n  cluster: {server: 'https://red.example:6443/'}\n"
    "- name: blue-cluster\n  cluster:\n    server: https://blue.example/prefix\n"
    "    certificate-authority: ca/blue.crt\n    tls-server-name: kubernetes.default\n"
    "    proxy-url: socks5://127.0.0.1:1080\n    insecure-skip-tls-verify: true\n"
    "users:\n"
    "- name: red-user\n  user: {token: red-token}\n"
    "- name: blue-user\n  user:\n    client-certificate: blue.crt\n    client-key: /abs/blue.key\n"
    "    tokenFile: tok\n    as: alice\n    as-uid: '17'\n    as-groups: [ops, dev]\n"
    "    as-user-extra: {scopes: [view, edit], 'odd/key': ['x']}\n"
    "contexts:\n"
    "- name: red\n  context: {cluster: red-cluster, user: red-user}\n"
    "- name: blue\n  context: {cluster: blue-cluster, user: blue-user, namespace: n}\n";

static void the_current_context_is_taken(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, two_contexts, NULL));
    assert_string_equal(f->access.context, "red");
    assert_string_equal(f->access.server, "https://red.example:6443");
    assert_string_equal(f->access.token, "red-token");
    assert_string_equal(f->access.ca_file, "");
    assert_false(f->access.insecure);
}

static void a_named_context_brings_all_its_fields(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, two_contexts, "blue"));
    const struct kube_access *a = &f->access;
    assert_string_equal(a->server, "https://blue.example/prefix");
    assert_string_equal(a->ca_file, "/etc/k/ca/blue.crt"); /* beside its file */
    assert_string_equal(a->tls_server_name, "kubernetes.default");
    assert_string_equal(a->proxy_url, "socks5://127.0.0.1:1080");
    assert_true(a->insecure);
    assert_string_equal(a->cert_file, "/etc/k/blue.crt");
    assert_string_equal(a->key_file, "/abs/blue.key");
    assert_string_equal(a->token_file, "/etc/k/tok");
    assert_string_equal(a->as_user, "alice");
    assert_string_equal(a->as_uid, "17");
    assert_int_equal(a->as_groups.n, 2);
    assert_string_equal(a->as_groups.items[1], "dev");
    assert_int_equal(a->as_extra.n, 3);
    assert_string_equal(a->as_extra.items[1].key, "scopes");
    assert_string_equal(a->as_extra.items[1].value, "edit");
    assert_string_equal(a->as_extra.items[2].key, "odd/key");
}

static void inline_data_wins_over_files(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f,
                        "current-context: c\n"
                        "clusters: [{name: c, cluster: {server: https://h, certificate-authority: "
                        "f.crt, certificate-authority-data: Q0EgUEVN}}]\n"
                        "users: [{name: u, user: {client-certificate-data: Q0VSVA==, "
                        "client-key-data: S0VZ}}]\n"
                        "contexts: [{name: c, context: {cluster: c, user: u}}]\n",
                        NULL));
    assert_string_equal(f->access.ca_pem, "CA PEM");
    assert_string_equal(f->access.ca_file, "");
    assert_string_equal(f->access.cert_pem, "CERT");
    assert_string_equal(f->access.key_pem, "KEY");
}

static void a_plugin_beside_other_credentials_is_not_run(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *user;
        bool run;
    } cases[] = {
        {"", true},
        {"as: alice, ", true},
        {"client-certificate: c.crt, ", true}, /* no key: no credential */
        {"client-certificate: c.crt, client-key: c.key, ", false},
        {"token: t, ", false},
        {"tokenFile: t, ", false},
        {"username: u, password: p, ", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(resolve(
            f,
            arena_printf(
                f->a,
                "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
                "clusters: [{name: c, cluster: {server: https://h}}]\n"
                "users: [{name: u, user: {%sexec: {command: x, provideClusterInfo: true, "
                "apiVersion: client.authentication.k8s.io/v1}}}]\n",
                cases[i].user),
            NULL));
        assert_string_equal(f->access.exec.command, cases[i].run ? "x" : "");
    }
}

static void of_several_files_the_first_to_name_a_thing_wins(void **state)
{
    struct fixture *f = *state;
    const char *one =
        put(f, "one",
            "clusters: [{name: c, cluster: {server: https://first, certificate-authority: ca}}]\n"
            "contexts: [{name: x, context: {cluster: c, user: u}}]\n");
    const char *two = put(f, "two",
                          "current-context: x\n"
                          "clusters: [{name: c, cluster: {server: https://second}}]\n"
                          "users: [{name: u, user: {tokenFile: tok}}]\n"
                          "contexts: [{name: x, context: {cluster: none, user: none}}]\n");
    const char *three =
        put(f, "three", "current-context: y\nusers: [{name: u, user: {token: t}}]\n");
    const char *list = arena_printf(f->a, "%s::%s:%s", one, two, three);
    assert_true(kube_access_load(list, NULL, f->a, &f->access, &f->err));
    assert_string_equal(f->access.server, "https://first");
    assert_string_equal(f->access.context, "x");
    assert_string_equal(f->access.token, "");
    assert_string_equal(f->access.ca_file, arena_printf(f->a, "%s/ca", f->dir));
    assert_string_equal(f->access.token_file, arena_printf(f->a, "%s/tok", f->dir));
}

static void the_environment_names_files_and_missing_ones_are_passed_over(void **state)
{
    struct fixture *f = *state;
    const char *good =
        put(f, "good",
            "current-context: c\nclusters: [{name: c, cluster: {server: 'http://h'}}]\n"
            "contexts: [{name: c, context: {cluster: c}}]\n");
    assert_int_equal(setenv("KUBECONFIG", arena_printf(f->a, "/nowhere/x:%s", good), 1), 0);
    assert_true(kube_access_load(NULL, NULL, f->a, &f->access, &f->err));
    assert_string_equal(f->access.server, "http://h");
    assert_string_equal(f->access.token, "");
    /* a file that was named on the command line must be there */
    assert_false(kube_access_load("/nowhere/x", NULL, f->a, &f->access, &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "/nowhere/x"));
    assert_int_equal(unsetenv("KUBECONFIG"), 0);
}

static void without_a_kubeconfig_the_account_of_the_pod_is_used(void **state)
{
    struct fixture *f = *state;
    char *home = getenv("HOME") != NULL ? arena_strdup(f->a, getenv("HOME")) : NULL;
    assert_int_equal(setenv("HOME", f->dir, 1), 0);
    (void)unsetenv("KUBECONFIG");
    assert_false(kube_access_load(NULL, NULL, f->a, &f->access, &f->err));
    assert_non_null(strstr(f->err.text, "KUBERNETES_SERVICE_HOST"));
    assert_int_equal(setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1), 0);
    assert_int_equal(setenv("KUBERNETES_SERVICE_PORT", "443", 1), 0);
    assert_true(kube_access_load(NULL, NULL, f->a, &f->access, &f->err));
    assert_string_equal(f->access.server, "https://[fd00::1]:443");
    assert_string_equal(f->access.context, "in-cluster");
    assert_string_equal(f->access.token_file,
                        "/var/run/secrets/kubernetes.io/serviceaccount/token");
    assert_string_equal(f->access.ca_file, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
    (void)unsetenv("KUBERNETES_SERVICE_HOST");
    (void)unsetenv("KUBERNETES_SERVICE_PORT");
    if (home != NULL) {
        (void)setenv("HOME", home, 1);
    }
}

static void mistakes_are_named_with_their_place(void **state)
{
    struct fixture *f = *state;
    char deep[80] = "\n";
    memset(deep + 1, '[', 70);
    const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"clusters: [", ": not YAML: did not find"},
        {"just text", "a mapping is wanted"},
        {deep, "/etc/k/config:2: nested more than 64 levels deep"},
        {"kind: Config\n", "no current-context"},
        {"current-context: c\n", "there is no context \"c\""},
        {"current-context: c\ncontexts: [{name: c, context: {cluster: q}}]\n",
         "cluster \"q\" has no server"},
        {"current-context: c\nclusters: [{name: q, cluster: {server: 'https://h'}}]\n"
         "contexts: [{name: c, context: {cluster: q, user: nobody}}]\n",
         "there is no user \"nobody\""},
        {"clusters:\n- name: q\n  cluster:\n    server: https://h\n"
         "    certificate-authority-data: '!!'\n",
         "/etc/k/config:5: certificate-authority-data is not base64"},
        {"users: [{name: u, user: {auth-provider: {name: gcp}}}]\n", "auth-provider was removed"},
        {"users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1}}}]\n",
         "exec has no command"},
        {"users: [{name: u, user: {exec: {command: x, apiVersion: "
         "client.authentication.k8s.io/v1alpha1}}}]\n",
         "apiVersion must be"},
        {"users: [{name: u, user: {exec: {command: x, interactiveMode: Always, apiVersion: "
         "client.authentication.k8s.io/v1}}}]\n",
         "wants a terminal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(resolve(f, cases[i].text, NULL));
        if (strstr(f->err.text, cases[i].says) == NULL) {
            fail_msg("wanted \"%s\" in \"%s\"", cases[i].says, f->err.text);
        }
    }
}

/* Any bytes: an error or an access, never a crash. */
static void damaged_files_never_crash(void **state)
{
    struct fixture *f = *state;
    char text[sizeof two_contexts];
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        memcpy(text, two_contexts, sizeof text);
        text[i] = (char)(text[i] ^ 0x15);
        (void)resolve(f, text, "blue");
        text[i] = '\0';
        (void)resolve(f, text, NULL);
    }
}

/* ---- exec plugins ---- */

static struct kube_exec script(struct fixture *f, const char *body)
{
    const char *path = put(f, "plugin.sh", body);
    assert_int_equal(chmod(path, 0755), 0);
    return (struct kube_exec){
        .command = path, .api_version = "client.authentication.k8s.io/v1", .cluster_info = ""};
}

#define CREDENTIAL(status)                                                                         \
    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":"  \
    "{" status "}}"

static void a_plugin_gets_arguments_and_environment_and_gives_a_token(void **state)
{
    struct fixture *f = *state;
    struct kube_exec e =
        script(f, "#!/bin/sh\n"
                  "echo \"$1|$2|$WHO|$KUBERNETES_EXEC_INFO\" > \"$OUT\"\n"
                  "echo '" CREDENTIAL(
                      "\"token\":\"t1\",\"expirationTimestamp\":\"2040-01-01T00:00:00Z\"") "'\n");
    static const char *const args[] = {"get token", "$(id)"};
    struct kv env[] = {{"WHO", "me"}, {"OUT", arena_printf(f->a, "%s/out", f->dir)}};
    e.args = (struct strs){args, 2};
    e.env = (struct kvs){env, 2};
    e.cluster_info = "{\"server\":\"https://h\"}";
    struct kube_exec_answer answer;
    assert_true(kube_exec_run(&e, f->a, &answer, &f->err));
    assert_string_equal(answer.token, "t1");
    assert_string_equal(answer.cert, "");
    assert_int_equal(answer.expires, INT64_C(2208988800000));
    char line[512] = "";
    FILE *out = fopen(env[1].value, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof line, out));
    (void)fclose(out);
    assert_string_equal(
        line, "get token|$(id)|me|{\"kind\":\"ExecCredential\",\"apiVersion\":"
              "\"client.authentication.k8s.io/v1\",\"spec\":{\"interactive\":false,\"cluster\":"
              "{\"server\":\"https://h\"}}}\n");
}

static void a_plugin_may_give_a_certificate(void **state)
{
    struct fixture *f = *state;
    struct kube_exec e =
        script(f, "#!/bin/sh\necho '" CREDENTIAL(
                      "\"clientCertificateData\":\"CERT\",\"clientKeyData\":\"KEY\"") "'\n");
    struct kube_exec_answer answer;
    assert_true(kube_exec_run(&e, f->a, &answer, &f->err));
    assert_string_equal(answer.cert, "CERT");
    assert_string_equal(answer.key, "KEY");
    assert_int_equal(answer.expires, 0);
}

static void a_plugin_that_complains_a_lot_is_heard_out(void **state)
{
    struct fixture *f = *state;
    struct kube_exec e = script(f, "#!/bin/sh\nhead -c 3000000 /dev/zero >&2\n"
                                   "echo '" CREDENTIAL("\"token\":\"t1\"") "'\n");
    struct kube_exec_answer answer;
    assert_true(kube_exec_run(&e, f->a, &answer, &f->err));
    assert_string_equal(answer.token, "t1");
}

static void bad_plugins_are_errors_in_time(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *body;
        const char *says;
    } cases[] = {
        {"#!/bin/sh\nexit 3\n", "ended with status 3"},
        {"#!/bin/sh\nkill -9 $$\n", "ended with status -1"},
        {"#!/bin/sh\necho not json\n", "did not print an ExecCredential"},
        {"#!/bin/sh\necho '{}'\n", "did not print an ExecCredential"},
        {"#!/bin/sh\necho '" CREDENTIAL("") "'\n", "with credentials"},
        {"#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"status\":{"
         "\"token\":\"t\"}}'\n",
         "ExecCredential of client.authentication.k8s.io/v1"},
        {"#!/bin/sh\nsleep 30\n", "did not finish in time"},
        {"#!/bin/sh\nexec >&-\nsleep 30\n", "ended with status -1"}, /* silent but not done */
        {"#!/bin/sh\nexec yes\n", "printed too much"},
        {"#!/bin/sh\necho first >&2\nprintf 'no session:\taws \"sso\" login\n\n' >&2\nexit 7\n",
         "ended with status 7: no session:?aws ?sso? login"},
        {"#!/bin/sh\nyes wait >&2\nexit 0\n", "did not finish in time: w"}, /* or a part of it */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kube_exec e = script(f, cases[i].body);
        struct kube_exec_answer answer;
        e.timeout_ms = 400;
        f->err = (struct err){0};
        int64_t start = clock_mono_ms();
        assert_false(kube_exec_run(&e, f->a, &answer, &f->err));
        assert_true(clock_mono_ms() - start < 5000);
        if (strstr(f->err.text, cases[i].says) == NULL) {
            fail_msg("wanted \"%s\" in \"%s\"", cases[i].says, f->err.text);
        }
    }
    struct kube_exec none = {.command = "/nowhere/plugin", .api_version = ""};
    struct kube_exec_answer answer;
    assert_false(kube_exec_run(&none, f->a, &answer, &f->err));
    assert_int_equal(f->err.code, ERR_DENIED);
}

/* ---- renewal ---- */

static unsigned runs_of(struct fixture *f)
{
    unsigned n = 0;
    FILE *file = fopen(arena_printf(f->a, "%s/runs", f->dir), "r");
    for (int c = 0; file != NULL && (c = fgetc(file)) != EOF;) {
        n++;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return n;
}

static void many_refused_requests_renew_a_plugin_once(void **state)
{
    struct fixture *f = *state;
    struct kube_access a = {.token = "", .token_file = "", .cert_pem = "", .key_pem = ""};
    a.exec = script(
        f, arena_printf(
               f->a, "#!/bin/sh\nprintf x >> %s/runs\necho '" CREDENTIAL("\"token\":\"t\"") "'\n",
               f->dir));
    struct kube_login l;
    login_init(&l, &a);
    assert_true(login_ready(&l, &f->err));
    assert_true(login_ready(&l, &f->err));
    assert_int_equal(runs_of(f), 1);
    int64_t started = clock_mono_ms(); /* twenty requests with the first token, all refused */
    while (clock_mono_ms() == started) {
    }
    for (int i = 0; i < 20; i++) {
        login_renew(&l, started);
        assert_true(login_ready(&l, &f->err));
    }
    assert_int_equal(runs_of(f), 2);
    assert_string_equal(login_token(&l), "t");
    login_fini(&l);
}

static void a_plugin_that_fails_is_not_run_by_everyone(void **state)
{
    struct fixture *f = *state;
    struct kube_access a = {.token = "", .token_file = "", .cert_pem = "", .key_pem = ""};
    a.exec = script(f, arena_printf(f->a, "#!/bin/sh\nprintf x >> %s/runs\nexit 1\n", f->dir));
    struct kube_login l;
    login_init(&l, &a);
    for (int i = 0; i < 20; i++) {
        f->err = (struct err){0};
        assert_false(login_ready(&l, &f->err));
        assert_non_null(strstr(f->err.text, "ended with status 1"));
    }
    assert_int_equal(runs_of(f), 1);
    login_fini(&l);
}

static void a_token_file_is_read_again_after_a_401_and_survives_a_bad_moment(void **state)
{
    struct fixture *f = *state;
    struct kube_access a = {.token = "", .cert_pem = "", .key_pem = "", .exec = {.command = ""}};
    a.token_file = put(f, "token", "one\n");
    struct kube_login l;
    login_init(&l, &a);
    assert_true(login_ready(&l, &f->err));
    assert_string_equal(login_token(&l), "one");
    (void)put(f, "token", "two\r\n");
    assert_true(login_ready(&l, &f->err));
    assert_string_equal(login_token(&l), "one"); /* read once a minute */
    login_renew(&l, clock_mono_ms());
    assert_true(login_ready(&l, &f->err));
    assert_string_equal(login_token(&l), "two");
    (void)put(f, "token", "thr\nee"); /* would forge a header */
    login_renew(&l, clock_mono_ms());
    assert_true(login_ready(&l, &f->err));
    assert_string_equal(login_token(&l), "two");
    login_fini(&l);
    (void)put(f, "token", " \n");
    login_init(&l, &a);
    assert_false(login_ready(&l, &f->err));
    assert_int_equal(f->err.code, ERR_DENIED);
    login_fini(&l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_current_context_is_taken),
        TEST(a_named_context_brings_all_its_fields),
        TEST(inline_data_wins_over_files),
        TEST(a_plugin_beside_other_credentials_is_not_run),
        TEST(of_several_files_the_first_to_name_a_thing_wins),
        TEST(the_environment_names_files_and_missing_ones_are_passed_over),
        TEST(without_a_kubeconfig_the_account_of_the_pod_is_used),
        TEST(mistakes_are_named_with_their_place),
        TEST(damaged_files_never_crash),
        TEST(a_plugin_gets_arguments_and_environment_and_gives_a_token),
        TEST(a_plugin_may_give_a_certificate),
        TEST(a_plugin_that_complains_a_lot_is_heard_out),
        TEST(bad_plugins_are_errors_in_time),
        TEST(many_refused_requests_renew_a_plugin_once),
        TEST(a_plugin_that_fails_is_not_run_by_everyone),
        TEST(a_token_file_is_read_again_after_a_401_and_survives_a_bad_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
