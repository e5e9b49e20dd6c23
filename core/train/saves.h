/* The checkpoints of a folder: checkpoint-STEP.safetensors, of which the newest is found by looking.  A new
 * one never touches those that are there; once it is durable, the oldest go. */
#ifndef SIM_SAVES_H
#define SIM_SAVES_H

#include "safetensors.h"

enum { SIM_SAVES_PATH_BYTES = 4096 };

/* Where the checkpoint of that step belongs. */
sim_status sim_saves_path(char out[SIM_SAVES_PATH_BYTES], const char *folder, int64_t step);

/* Opens the newest checkpoint that is whole, for the caller to close; `path` says which.  Newer ones that are
 * damaged are named in the log with what is wrong, and set aside as NAME.damaged.  *out NULL: there is none
 * at all.  None that is whole, or one of another configuration (config_hash NULL: any will do), is an error
 * that says so. */
sim_status sim_saves_open(struct sim_tensors **out, char path[SIM_SAVES_PATH_BYTES], const char *folder,
                          const char *config_hash);

/* Removes all but the newest `last` and those of every `every`-th step (0: of none). */
sim_status sim_saves_prune(const char *folder, int64_t last, int64_t every);

/* Removes all, those set aside too: the run starts again.  No folder is no error. */
sim_status sim_saves_remove(const char *folder);

#endif
