/* epoll for libcurl (see kube_loop.h). */
#include "source/kube_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Turns taken in a row while bytes keep coming, before the caller looks at all else again. */
enum { EVENTS = 32, TURNS_MAX = 64 };

/* While a list comes in slower than we read it, waking up for each record costs as much as reading
 * it. After so many records in a row we let a few milliseconds' worth of them gather. */
enum { STREAK_MIN = 8, STREAK_GAP_MS = 10, NAP_US = 5000 };

/* libcurl says what it wants to know of a socket. */
static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    (void)unused;
    struct kube_loop *l = arg;
    l->hooks.on_wish(easy, fd, what == CURL_POLL_REMOVE);
    struct epoll_event e = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, &e); /* closed already: nothing to take out */
        return 0;
    }
    e.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
               ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &e) != 0 &&
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        return -1; /* the transfer fails and is tried again */
    }
    return 0;
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct kube_loop *l = arg;
    l->due_ms = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
    return 0;
}

void kube_loop_init(struct kube_loop *l, const struct kube_loop_hooks *hooks)
{
    *l = (struct kube_loop){.multi = curl_multi_init(), .due_ms = -1, .hooks = *hooks};
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l->wake};
    if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &e) != 0) {
        log_error("kube", "error=\"no descriptors: errno %d\" next=\"the process ends\"", errno);
        abort();
    }
    (void)curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    (void)curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    (void)curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    (void)curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
}

void kube_loop_fini(struct kube_loop *l)
{
    (void)curl_multi_cleanup(l->multi); /* every handle was removed; sockets leave epoll here */
    (void)close(l->epoll);
    (void)close(l->wake);
}

static void happened(struct kube_loop *l, const struct epoll_event *e)
{
    int running = 0;
    if (e->data.fd == l->wake) {
        uint64_t n = 0;
        (void)!read(l->wake, &n, sizeof n); /* woken is woken */
        return;
    }
    int what = ((e->events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
               ((e->events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
               ((e->events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    /* A socket that an earlier event of this turn has closed is not known any more: ignored. */
    (void)curl_multi_socket_action(l->multi, e->data.fd, what, &running);
    l->hooks.on_event(l->hooks.arg, e->data.fd);
}

static void call_if_due(struct kube_loop *l)
{
    int running = 0;
    if (l->due_ms >= 0 && clock_mono_ms() >= l->due_ms) {
        l->due_ms = -1; /* libcurl says when next, or never */
        (void)curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        l->hooks.on_event(l->hooks.arg, CURL_SOCKET_BAD);
    }
}

/* Waits for the first events; what comes without waiting makes a streak. */
static int wait_first(struct kube_loop *l, struct epoll_event *events, int timeout_ms)
{
    int64_t began = clock_mono_ms();
    int n = epoll_wait(l->epoll, events, EVENTS, 0);
    if (n == 0 && timeout_ms > 0) {
        if (l->bulk && l->streak >= STREAK_MIN) {
            (void)usleep(NAP_US); /* cut short: fewer bytes have gathered */
        }
        n = epoll_wait(l->epoll, events, EVENTS, timeout_ms);
        l->streak = clock_mono_ms() - began > STREAK_GAP_MS ? 0 : l->streak;
    }
    return n;
}

void kube_loop_run(struct kube_loop *l, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    if (l->due_ms >= 0) {
        int64_t until = l->due_ms - clock_mono_ms();
        timeout_ms = until <= 0 ? 0 : until < timeout_ms ? (int)until : timeout_ms;
    }
    int n = wait_first(l, events, timeout_ms);
    for (int turn = 0; n > 0 && turn < TURNS_MAX; turn++) {
        for (int i = 0; i < n; i++) {
            happened(l, &events[i]);
        }
        l->streak++;
        call_if_due(l);
        n = epoll_wait(l->epoll, events, EVENTS, 0);
    }
    call_if_due(l);
}

void kube_loop_wake(struct kube_loop *l)
{
    uint64_t one = 1;
    (void)!write(l->wake, &one, sizeof one); /* full: it is awake already */
}
