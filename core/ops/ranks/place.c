/* How this process was started: the variables that launchers set, in this order.
 *
 *   SIM_RANKS_FOLDER   a folder that all ranks see; with SIM_RANKS_NAME, a word that no other launch uses
 * there (under Slurm the job and step number).  Rank and size: RANK and WORLD_SIZE, or Slurm's. MASTER_ADDR
 * with RANK, WORLD_SIZE, MASTER_PORT, and LOCAL_RANK if it is said: as torchrun sets them. torchrun's own
 * store sits on MASTER_PORT (TORCHELASTIC_USE_AGENT_STORE): the port behind it is taken then; SIM_RANKS_PORT
 * names another. mpirun, srun       MPI, where it is compiled in.
 *
 * A world of one is a process alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "transport.h"

enum { MOST_RANKS = 4096 };

static const char *said(const char *name)
{
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

static sim_status number(const char *name, long low, long high, int *out)
{
    const char *text = said(name);
    char *end;
    if (!text) return sim_fail(SIM_EINVAL, "several ranks are asked for, but %s is not set", name);
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || value < low || value > high)
        return sim_fail(SIM_EINVAL, "%s=%.100s: a whole number from %ld to %ld is needed", name, text, low,
                        high);
    *out = (int)value;
    return SIM_OK;
}

static int above_one(const char *name)
{
    const char *text = said(name);
    return text && atoi(text) > 1;
}

int sim_place_under_mpi(void)
{
    /* Open MPI; MPICH and Intel MPI; srun, which for MPI programs adds a PMI */
    return above_one("OMPI_COMM_WORLD_SIZE") || above_one("PMI_SIZE") ||
           (above_one("SLURM_STEP_NUM_TASKS") && (said("PMIX_RANK") || said("PMI_RANK")));
}

/* RANK and WORLD_SIZE, or Slurm's names for them. */
static sim_status read_rank(struct sim_place *p)
{
    const int slurm = !said("WORLD_SIZE") && said("SLURM_STEP_NUM_TASKS");
    SIM_TRY(number(slurm ? "SLURM_STEP_NUM_TASKS" : "WORLD_SIZE", 1, MOST_RANKS, &p->size));
    SIM_TRY(number(slurm ? "SLURM_PROCID" : "RANK", 0, p->size - 1, &p->rank));
    const char *local = slurm ? "SLURM_LOCALID" : "LOCAL_RANK";
    if (said(local)) SIM_TRY(number(local, 0, p->size - 1, &p->local_rank));
    return SIM_OK;
}

static sim_status read_folder(struct sim_place *p, const char *folder)
{
    char name[300];
    const char *given = said("SIM_RANKS_NAME"), *job = said("SLURM_JOB_ID"), *step = said("SLURM_STEP_ID");
    if (given)
        snprintf(name, sizeof name, "%s", given);
    else if (job && step)
        snprintf(name, sizeof name, "%s.%s", job, step);
    else
        return sim_fail(SIM_EINVAL,
                        "SIM_RANKS_FOLDER is set, but not SIM_RANKS_NAME: a word that is the same "
                        "for all ranks of this launch and for no other");
    if (strlen(name) > 200 || strchr(name, '/') || name[0] == '.')
        return sim_fail(SIM_EINVAL, "SIM_RANKS_NAME=%.40s: at most 200 characters, no / and no leading dot",
                        name);
    if (snprintf(p->file, sizeof p->file, "%s/%s.ranks", folder, name) >= (int)sizeof p->file)
        return sim_fail(SIM_EINVAL, "SIM_RANKS_FOLDER=%.200s...: this path is too long", folder);
    p->meeting = XXH64(name, strlen(name), 0);
    p->boot = SIM_BOOT_FOLDER;
    return SIM_OK;
}

static sim_status read_environment(struct sim_place *p, const char *address)
{
    const char *run = said("TORCHELASTIC_RUN_ID"), *store = said("TORCHELASTIC_USE_AGENT_STORE");
    if (strlen(address) >= sizeof p->address)
        return sim_fail(SIM_EINVAL, "MASTER_ADDR is longer than %d characters", (int)sizeof p->address - 1);
    snprintf(p->address, sizeof p->address, "%s", address);
    if (said("SIM_RANKS_PORT"))
        SIM_TRY(number("SIM_RANKS_PORT", 1, 65535, &p->port));
    else {
        SIM_TRY(number("MASTER_PORT", 1, 65535, &p->port));
        if (store && strcmp(store, "True") == 0) p->port += p->port < 65535 ? 1 : -1;
    }
    p->meeting = run ? XXH64(run, strlen(run), 0) : 0;
    p->boot = SIM_BOOT_ENVIRONMENT;
    return SIM_OK;
}

sim_status sim_place_read(struct sim_place *p)
{
    const char *folder = said("SIM_RANKS_FOLDER"), *address = said("MASTER_ADDR");
    *p = (struct sim_place){.boot = SIM_BOOT_ALONE, .size = 1, .local_rank = -1};
    if (folder || (address && said("WORLD_SIZE"))) {
        SIM_TRY(read_rank(p));
        if (p->size == 1) return SIM_OK;
        return folder ? read_folder(p, folder) : read_environment(p, address);
    }
    if (sim_place_under_mpi()) {
        p->boot = SIM_BOOT_MPI;
        return SIM_OK;
    }
    if (above_one("WORLD_SIZE"))
        return sim_fail(SIM_EINVAL,
                        "WORLD_SIZE=%.20s asks for several ranks, but neither MASTER_ADDR nor "
                        "SIM_RANKS_FOLDER says where they meet",
                        said("WORLD_SIZE"));
    if (above_one("SLURM_STEP_NUM_TASKS"))
        return sim_fail(SIM_EINVAL,
                        "srun started %.20s of this, but nothing says where they meet: srun "
                        "--mpi=pmix with MPI compiled in, or SIM_RANKS_FOLDER=a shared folder",
                        said("SLURM_STEP_NUM_TASKS"));
    return SIM_OK;
}
