/* safetensors: 8 bytes little-endian header length, JSON header, tensor bytes.  Every length in a file is
 * hostile until checked: header size, offsets, overlaps, shape times element size, gaps, duplicates. */
#ifndef SIM_SAFETENSORS_H
#define SIM_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define SIM_MAX_DIMS 8

enum sim_dtype { SIM_F32, SIM_F64, SIM_U8, SIM_I64, SIM_I32, SIM_F16, SIM_BF16, SIM_BOOL };

struct sim_tensor {
    const char *name;
    enum sim_dtype dtype;
    int dims; /* 0 for a scalar */
    int64_t shape[SIM_MAX_DIMS];
    int64_t count;    /* product of shape; 1 for a scalar */
    const void *data; /* 8-byte aligned when read */
};

struct sim_tensors; /* an open file, read whole: later changes to the file on disk do not show */

/* Opens and checks the whole header.  Errors name the file, the tensor and what is wrong. */
sim_status sim_tensors_open(struct sim_tensors **out, const char *path);
/* The same from memory (copied); `path` only stands in error sentences. */
sim_status sim_tensors_parse(struct sim_tensors **out, const void *bytes, size_t size_bytes,
                             const char *path);
void sim_tensors_close(struct sim_tensors *t); /* NULL is legal */

int sim_tensors_count(const struct sim_tensors *t);
const struct sim_tensor *sim_tensors_at(const struct sim_tensors *t, int i); /* in the header's order */
const struct sim_tensor *sim_tensors_find(const struct sim_tensors *t, const char *name); /* NULL if absent */
const char *sim_tensors_metadata(const struct sim_tensors *t, const char *key);           /* NULL if absent */

/* Finds `name` with this dtype and shape, or fails saying what stands there instead. */
sim_status sim_tensors_expect(const struct sim_tensors *t, const char *name, enum sim_dtype dtype, int dims,
                              const int64_t *shape, const struct sim_tensor **out);

/* Writes atomically (file.h), where there is room for it on the disk.  metadata: pairs key, value, key,
 * value, NULL; or NULL.  `count` of a tensor is not read, its shape is.  The header lists the tensors in the
 * order given; the bytes of wider elements are stored first, so that each tensor is aligned to its elements,
 * as readers that map the file expect. */
sim_status sim_tensors_write(const char *path, const struct sim_tensor *tensors, int count,
                             const char *const *metadata);

size_t sim_dtype_bytes(enum sim_dtype d);
const char *sim_dtype_name(enum sim_dtype d); /* "F32" ... */

#endif
