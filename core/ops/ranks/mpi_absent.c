/* In the place of mpi.c where MPI is not compiled in. */
#include "transport.h"

sim_status sim_mpi_open(struct sim_transport **out, struct sim_ranks *r)
{
    (void)r;
    *out = NULL;
    return sim_fail(
        SIM_EINVAL,
        "mpirun or srun started several of this, but MPI is not compiled in: build with an mpicc "
        "in reach (make MPI=1; Debian: libopenmpi-dev), or start the ranks with RANK, WORLD_SIZE, "
        "MASTER_ADDR and MASTER_PORT, or with SIM_RANKS_FOLDER");
}
