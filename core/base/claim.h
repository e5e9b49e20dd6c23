/* Claims: who works on what, among processes that share a folder, on one machine or over NFS.
 *
 * A claim is a file ".NAME.claim-G" in the folder.  G counts up and the highest is the one that counts:
 * whoever takes the claim makes the file of the next number by link(), which exactly one of several can do,
 * also over NFS; nobody renames or removes the file of another that could still count.  The file says which
 * process holds the claim, and that process touches it while it lives.  A claim counts as left behind when
 *   - its process is gone, where that can be seen: same boot of the same machine, same table of processes;
 *   - elsewhere, when it has not been touched for SIM_CLAIM_STALE_S seconds (120), by the file server's
 * clock. A holder that was frozen for longer than that finds out at its next touch, or when it asks.  flock
 * is not used.
 */
#ifndef SIM_CLAIM_H
#define SIM_CLAIM_H

#include <signal.h>

#include "status.h"

struct sim_claim; /* one that is held, with a thread that touches its file */

enum { SIM_CLAIM_WHO_BYTES = 160 }; /* "process 4711 on node7" */

/* Takes `name` in an existing folder.  *out NULL with SIM_OK: another process holds it (or this one already
 * does), and who (SIM_CLAIM_WHO_BYTES) says which.  on_loss (or NULL) becomes 1 when the claim is lost to
 * another. */
sim_status sim_claim_take(struct sim_claim **out, const char *folder, const char *name, char *who,
                          volatile sig_atomic_t *on_loss);

/* The same, trying again for up to so many seconds; held by another for all that time is an error. */
sim_status sim_claim_wait(struct sim_claim **out, const char *folder, const char *name, double seconds);

/* Whether it is still ours, looking at the folder now. */
int sim_claim_holds(struct sim_claim *c);

/* Gives it back; *c becomes NULL.  NULL is legal. */
void sim_claim_release(struct sim_claim **c);

/* Whether some process that may still live holds it; takes nothing.  who as above; "" where nobody does. */
sim_status sim_claim_look(const char *folder, const char *name, int *held, char *who);

#endif
