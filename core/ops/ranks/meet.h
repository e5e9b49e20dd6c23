/* Bringing the ranks together over TCP: rank 0 listens at a known address or one that a file carries, the
 * others come with their number and learn where everybody listens; then everybody connects to everybody. */
#ifndef SIM_RANKS_MEET_H
#define SIM_RANKS_MEET_H

#include "transport.h"

enum { SIM_LINK_NEWS = SIM_LANES, SIM_LINKS }; /* a link per lane, and one for farewells */

struct sim_peer {
    int link[SIM_LINKS]; /* sockets; -1: none */
};

/* Fills r's rank, size and hosts, and peer (size), whose own entry stays empty; the caller closes the
 * sockets, also after a failure. */
sim_status sim_meet(const struct sim_place *p, struct sim_ranks *r, struct sim_peer *peer);

#endif
