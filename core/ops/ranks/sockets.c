#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

void sim_pause(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* Waits for events; 1: there, 0: the limit (of sim_now_s) is over. */
static int wait_for(int s, short events, double until)
{
    for (;;) {
        double left = until - sim_now_s();
        struct pollfd p = {.fd = s, .events = events};
        int got = poll(&p, 1, left > 0 ? (int)(left * 1e3) + 1 : 0);
        if (got > 0) return 1;
        if ((got < 0 && errno != EINTR) || left <= 0) return 0;
    }
}

static int set(int s, int level, int option, int value)
{
    return setsockopt(s, level, option, &value, sizeof value);
}

void sim_socket_tune(int s)
{
    fcntl(s, F_SETFL, fcntl(s, F_GETFL) | O_NONBLOCK);
    set(s, IPPROTO_TCP, TCP_NODELAY, 1);
    set(s, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(s, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(s, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(s, IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(s, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000); /* bytes under way that nobody confirms */
}

/* ------------------------------------------------------------------ addresses */
void sim_address_set_port(struct sim_address *a, int port)
{
    if (a->at.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&a->at)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)&a->at)->sin_port = htons((uint16_t)port);
}

int sim_address_is_loopback(const struct sim_address *a)
{
    if (a->at.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)&a->at)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&a->at)->sin6_addr);
}

int sim_socket_peer(int s, struct sim_address *out)
{
    struct sockaddr_in6 six;
    *out = (struct sim_address){.size = sizeof out->at};
    if (getpeername(s, (struct sockaddr *)&out->at, &out->size) != 0) return -1;
    if (out->at.ss_family != AF_INET6) return 0;
    memcpy(&six, &out->at, sizeof six);
    if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) return 0;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six.sin6_port};
    memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, 4);
    *out = (struct sim_address){.size = sizeof four};
    memcpy(&out->at, &four, sizeof four);
    return 0;
}

sim_status sim_socket_lookup(const char *host, int port, struct sim_address *out, int room, int *count)
{
    const struct addrinfo wish = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char number[16];
    snprintf(number, sizeof number, "%d", port);
    int failed = getaddrinfo(host, number, &wish, &list);
    if (failed)
        return sim_fail(SIM_EIO, "the address %s of rank 0 is not known here: %s", host,
                        gai_strerror(failed));
    *count = 0;
    for (const struct addrinfo *i = list; i && *count < room; i = i->ai_next) {
        out[*count] = (struct sim_address){.size = i->ai_addrlen};
        memcpy(&out[(*count)++].at, i->ai_addr, i->ai_addrlen);
    }
    freeaddrinfo(list);
    return SIM_OK;
}

/* ------------------------------------------------------------------ connections */
sim_status sim_socket_listen(int *out, int port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int s = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), wide = s >= 0;
    if (!wide) s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *out = -1;
    if (s < 0) return sim_fail(SIM_EIO, "no socket: %s", strerror(errno));
    set(s, SOL_SOCKET, SO_REUSEADDR, 1);
    if (wide) set(s, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    int failed =
        wide ? bind(s, (struct sockaddr *)&six, sizeof six) : bind(s, (struct sockaddr *)&four, sizeof four);
    if (failed || listen(s, SOMAXCONN) != 0) {
        sim_status status = sim_fail(SIM_EIO, "rank 0 cannot listen on port %d: %s%s", port, strerror(errno),
                                     errno == EADDRINUSE ? " (another MASTER_PORT, or SIM_RANKS_PORT)" : "");
        close(s);
        return status;
    }
    *out = s;
    return SIM_OK;
}

int sim_socket_port(int listening)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    if (getsockname(listening, (struct sockaddr *)&a, &size) != 0) return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

int sim_socket_try(const struct sim_address *to, double limit_s)
{
    int s = socket(to->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), failed = 0;
    socklen_t size = sizeof failed;
    if (s < 0) return -1;
    if (connect(s, (const struct sockaddr *)&to->at, to->size) != 0 &&
        (errno != EINPROGRESS || !wait_for(s, POLLOUT, sim_now_s() + limit_s) ||
         getsockopt(s, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed)) {
        close(s);
        return -1;
    }
    sim_socket_tune(s);
    return s;
}

int sim_socket_accept(int listening, double limit_s)
{
    const double until = sim_now_s() + limit_s;
    while (wait_for(listening, POLLIN, until)) {
        int s = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (s < 0) continue; /* who knocked is gone again */
        sim_socket_tune(s);
        return s;
    }
    return -1;
}

/* ------------------------------------------------------------------ whole messages */
static int again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int sim_socket_write(int s, const void *bytes, size_t count, double limit_s)
{
    const double until = sim_now_s() + limit_s;
    for (size_t done = 0; done < count;) {
        ssize_t n = send(s, (const char *)bytes + done, count - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if ((n < 0 && !again()) || !wait_for(s, POLLOUT, until))
            return -1;
    }
    return 0;
}

int sim_socket_read(int s, void *bytes, size_t count, double limit_s)
{
    const double until = sim_now_s() + limit_s;
    for (size_t done = 0; done < count;) {
        ssize_t n = recv(s, (char *)bytes + done, count - done, 0);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || !again() || !wait_for(s, POLLIN, until))
            return -1;
    }
    return 0;
}
