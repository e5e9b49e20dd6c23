/* TCP sockets for meet.c and tcp.c: everything with a time limit, everything whole. */
#ifndef SIM_RANKS_SOCKETS_H
#define SIM_RANKS_SOCKETS_H

#include <stddef.h>
#include <sys/socket.h>

#include "status.h"

struct sim_address {
    struct sockaddr_storage at;
    socklen_t size;
};

/* A listening socket on `port` (0: any), every address of this machine, IPv6 and IPv4. */
sim_status sim_socket_listen(int *out, int port);
int sim_socket_port(int listening); /* 0: unknown */
/* One attempt; -1 without an error sentence where nobody answers.  Address and port of who answered. */
int sim_socket_try(const struct sim_address *to, double limit_s);
sim_status sim_socket_lookup(const char *host, int port, struct sim_address *out, int room, int *count);
/* The next connection, or -1 when the limit is over. */
int sim_socket_accept(int listening, double limit_s);

/* Whole or not: 0, or -1 at the limit, the end or an error. */
int sim_socket_write(int s, const void *bytes, size_t count, double limit_s);
int sim_socket_read(int s, void *bytes, size_t count, double limit_s);

/* Small messages at once, a dead machine noticed within half a minute, reads and writes that do not wait. */
void sim_socket_tune(int s);
/* Whose end the connection is; an IPv4 address in IPv6's clothes is undressed.  0, or -1. */
int sim_socket_peer(int s, struct sim_address *out);
int sim_address_is_loopback(const struct sim_address *a);
void sim_address_set_port(struct sim_address *a, int port);
void sim_pause(double seconds);

#endif
