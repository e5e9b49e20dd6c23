/* What a backend says of itself for records and `siameseim --version`: device, libraries, and whatever was
 * put in the place of what was asked for (DESIGN.md: no silent fallback). */
#ifndef SIM_FACTS_H
#define SIM_FACTS_H

#include "ops.h"

enum { SIM_FACTS_LIBRARIES = 12, SIM_FACTS_SUBSTITUTED = 16 };

struct sim_ops_facts {
    char device[160];                        /* "AMD EPYC 9R14 (avx512)", "NVIDIA H100 80GB HBM3 (sm_90)" */
    char driver[32];                         /* of the device, "13.0"; "" where there is none */
    char libraries[SIM_FACTS_LIBRARIES][64]; /* "name version": "onednn 2.6.3" */
    int library_count;
    char substituted[SIM_FACTS_SUBSTITUTED][192]; /* a sentence each */
    int substituted_count;
    int emulated; /* 1: the tests' host emulation of a device; nothing it times or computes is a device's */
    int dropped; /* sentences there was no room for */
};

/* Adds a library ("name version") or a sentence (printf format).  An empty text and one that is there already
 * are passed over. */
void sim_facts_library(struct sim_ops_facts *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sim_facts_substitute(struct sim_ops_facts *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The facts of an open backend: `describe`, and for one that has none its name and instruction set. */
void sim_facts_of(const struct sim_ops *o, struct sim_ops_facts *out);

/* The libraries of every backend compiled in, whether its device is there or not (backends.c). */
void sim_facts_built_in(struct sim_ops_facts *out);
void sim_cpu_libraries(struct sim_ops_facts *out);  /* cpu/facts.c */
void sim_cuda_libraries(struct sim_ops_facts *out); /* cuda/facts.c */

#endif
