/* LD_PRELOADed into a process: its clock is CLOCK_OFF_S seconds ahead of everybody else's, and whoever looks up a name
   that ends in ".hanging" waits for minutes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) real = dlsym(RTLD_NEXT, "getaddrinfo");
    const char *end = node ? strrchr(node, '.') : NULL;
    if (end && !strcmp(end, ".hanging")) {
        sleep(300);
        return EAI_AGAIN;
    }
    return real(node, service, hints, found);
}

static long off(void) { const char *said = getenv("CLOCK_OFF_S"); return said ? atol(said) : 0; }

int clock_gettime(clockid_t which, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(which, at);
    if (!result && which == CLOCK_REALTIME) at->tv_sec += off();
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    static int (*real)(struct timeval *restrict, void *restrict);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(at, zone);
    if (!result) at->tv_sec += off();
    return result;
}

time_t time(time_t *at) {
    static time_t (*real)(time_t *);
    if (!real) real = dlsym(RTLD_NEXT, "time");
    time_t now = real(NULL) + off();
    if (at) *at = now;
    return now;
}
