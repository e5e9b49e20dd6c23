/* Exactness of the linear probe's head: a folder in the layout of tests/golden/linear_probe (init, steps,
 * final). */
#ifndef SIM_VERIFY_PROBE_H
#define SIM_VERIFY_PROBE_H

#include "safetensors.h"
#include "verify.h"

/* Whether the steps are a linear probe's. */
int sim_verify_is_probe(const struct sim_tensors *steps);

/* As sim_verify.  The head is trained on the host in fp32, whatever encodes: losses, logits under the running
 * statistics, and the state after the last step are compared. */
sim_status sim_verify_probe(const char *folder, const struct sim_tensors *steps,
                            struct sim_verdict verdict[SIM_VERIFY_QUANTITIES]);

#endif
