/* What the files of this folder share.  place.c reads the environment; meet.c brings the processes together
 * over TCP; tcp.c and mpi.c carry parcels between all ranks; sums.c adds up; ranks.c is the public face. */
#ifndef SIM_RANKS_TRANSPORT_H
#define SIM_RANKS_TRANSPORT_H

#include "ranks.h"

/* ---- how this process was started */
enum sim_bootstrap { SIM_BOOT_ALONE, SIM_BOOT_ENVIRONMENT, SIM_BOOT_FOLDER, SIM_BOOT_MPI };

struct sim_place {
    enum sim_bootstrap boot;
    int rank, size;
    int local_rank; /* -1: not said */
    char address[256];
    int port;         /* of rank 0; 0 with a folder, where rank 0 takes any */
    char file[1024];  /* with a folder: the file that carries rank 0's address */
    uint64_t meeting; /* number of this meeting by its name: processes of another are turned away */
};
sim_status sim_place_read(struct sim_place *p);
/* A launcher of MPI programs started more than one of this. */
int sim_place_under_mpi(void);

/* ---- messages: two lanes that do not wait for each other, one used by the caller, one by the thread that
 * means gradients */
enum { SIM_LANE_CALLER, SIM_LANE_BESIDE, SIM_LANES };

struct sim_parcel {
    void *bytes;
    size_t size;
};

struct sim_transport {
    const char *name;
    int serial; /* 1: the thread beside must not be used */
    /* Sends out[i] to, and receives in[i] from, every rank i but this one, all at once; sizes may differ from
     * rank to rank but sender and receiver know them.  A rank that has not answered for limit_s seconds fails
     * the exchange; for_first: counted from when rank 0 has answered, which is waited for as long as it
     * lives. */
    sim_status (*exchange)(struct sim_transport *t, int lane, const struct sim_parcel *out,
                           const struct sim_parcel *in, double limit_s, int for_first);
    sim_status (*look)(struct sim_transport *t);
    void (*close)(struct sim_transport *t, const char *why); /* why: sim_ranks_close; frees t */
};

/* Both fill rank, size, local_*, host and bootstrap of r. */
sim_status sim_tcp_open(struct sim_transport **out, struct sim_ranks *r, const struct sim_place *p);
sim_status sim_mpi_open(struct sim_transport **out, struct sim_ranks *r); /* mpi_absent.c: fails */

/* Memory for r->host; local_rank and local_size by counting equal names, unless `local_rank` is said. */
sim_status sim_ranks_take_hosts(struct sim_ranks *r);
void sim_ranks_count_local(struct sim_ranks *r, int local_rank);

/* "rank 3 (node7)" for sentences; four buffers in rotation, of the calling thread. */
const char *sim_rank_name(const struct sim_ranks *r, int rank);

/* ---- sums */
enum sim_number { SIM_NUMBER_FLOAT, SIM_NUMBER_DOUBLE };
struct sim_room { /* a lane's scratch memory, grown on demand */
    void *bytes;
    size_t size;
};
/* values (count) = scale times their sum over the ranks. */
sim_status sim_sums_make(const struct sim_ranks *r, struct sim_transport *t, int lane, struct sim_room *room,
                         void *values, int64_t count, enum sim_number kind, double scale);

#endif
