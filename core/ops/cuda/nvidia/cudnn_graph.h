/* cuDNN's graph API, as far as attention needs it: tensors, operations over them, and the plan that a
 * library's heuristic makes of the graph, for the device at hand or for one that is only described.
 *
 * Descriptors belong to the graph they were made in.  Building goes on after a failure and does nothing then;
 * sim_cudnn_plan_open reports the first one with cuDNN's own words. */
#ifndef SIM_CUDNN_GRAPH_H
#define SIM_CUDNN_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include <cudnn.h>

#include "status.h"

/* A tensor of four dimensions; strides in elements. */
struct sim_cudnn_layout {
    int64_t dim[4], stride[4];
};

enum { SIM_CUDNN_DESCRIPTORS = 128, SIM_CUDNN_OPERATIONS = 24 };

struct sim_cudnn_graph {
    cudnnBackendDescriptor_t made[SIM_CUDNN_DESCRIPTORS]; /* everything, in the order of its making */
    cudnnBackendDescriptor_t operation[SIM_CUDNN_OPERATIONS];
    int made_count, operation_count;
    int64_t virtual_count;
    int failed;
    char sentence[1024];
};

void sim_cudnn_graph_start(struct sim_cudnn_graph *g);
void sim_cudnn_graph_close(struct sim_cudnn_graph *g); /* a zeroed struct is legal */

/* A tensor in memory, 16-byte aligned, that the caller binds by `uid` (1 to 99) when the plan runs. */
cudnnBackendDescriptor_t sim_cudnn_tensor(struct sim_cudnn_graph *g, int64_t uid, cudnnDataType_t type,
                                          const struct sim_cudnn_layout *l);
/* One that only lives between two operations. */
cudnnBackendDescriptor_t sim_cudnn_virtual(struct sim_cudnn_graph *g, cudnnDataType_t type,
                                           const struct sim_cudnn_layout *l);
/* A float32 number, bound by a pointer to host memory. */
cudnnBackendDescriptor_t sim_cudnn_scalar(struct sim_cudnn_graph *g, int64_t uid);

/* Operations, in the order of their making; all compute in float32.  b NULL: of one operand. */
void sim_cudnn_pointwise(struct sim_cudnn_graph *g, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t x,
                         cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y);
void sim_cudnn_sum(struct sim_cudnn_graph *g, cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t y);
void sim_cudnn_matmul(struct sim_cudnn_graph *g, cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t b,
                      cudnnBackendDescriptor_t c);
void sim_cudnn_reshape(struct sim_cudnn_graph *g, cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t y);
/* stats NULL: not kept. */
void sim_cudnn_sdpa_forward(struct sim_cudnn_graph *g, cudnnBackendDescriptor_t q, cudnnBackendDescriptor_t k,
                            cudnnBackendDescriptor_t v, cudnnBackendDescriptor_t o,
                            cudnnBackendDescriptor_t stats, cudnnBackendDescriptor_t scale);

/* What a plan is made for: a handle's device, or a description (the other is NULL). */
struct sim_cudnn_target {
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t description;
};

/* A device described in JSON, as cuDNN writes it (deviceVer, multiProcessorCount ...). */
sim_status sim_cudnn_describe(cudnnBackendDescriptor_t *out, const char *json);

struct sim_cudnn_plan {
    struct sim_cudnn_graph graph; /* what the plan was made of lives as long as the plan */
    cudnnBackendDescriptor_t plan;
    int64_t engine; /* the library's number of the engine that was chosen */
    int64_t workspace_bytes, shared_bytes;
    int unloaded; /* 1: planned and compiled for a description; there is no device here to load the code */
};

/* Plans what `p->graph` holds: the first of the heuristic's choices that becomes a plan.  For a description
 * it counts as planned where only the last act, loading the code onto a device, found none of that kind.
 * Fails with cuDNN's reason.  Close p after failure too. */
sim_status sim_cudnn_plan_open(struct sim_cudnn_plan *p, const struct sim_cudnn_target *target);
void sim_cudnn_plan_close(struct sim_cudnn_plan *p); /* a zeroed struct is legal */

/* A plan's operands: uids and pointers, with the workspace.  NULL on failure, with the sentence recorded. */
cudnnBackendDescriptor_t sim_cudnn_pack(const int64_t *uids, void *const *pointers, int count,
                                        void *workspace);

/* "CUDNN_STATUS_BAD_PARAM: kDim[3] != d_qk": the status with the library's last words.  Static, of the
 * thread. */
const char *sim_cudnn_words(cudnnStatus_t status);
/* What to do to learn more; the end of every sentence about a missing plan. */
#define SIM_CUDNN_HINT                                                                                       \
    "CUDNN_LOGLEVEL_DBG=2 CUDNN_LOGDEST_DBG=stderr in the environment names the reason per engine"

#endif
