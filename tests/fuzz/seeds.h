/* What the fuzz targets share.  A target writes its own first inputs, the seeds, into the corpus folder that
 * it is started with; what fuzzing found beyond them is kept in tests/fuzz/corpus/NAME (README.md).  To add a
 * target: tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput and LLVMFuzzerInitialize; its name goes into
 * FUZZERS in the Makefile. */
#ifndef SIM_FUZZ_SEEDS_H
#define SIM_FUZZ_SEEDS_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Path of seed `name` in the corpus folder (the first argument that is no option), or NULL where there is no
 * such folder or the seed is there already.  Static buffer. */
const char *fuzz_seed_path(int argc, char **argv, const char *name);
/* Writes a seed, unless it is there or there is no folder. */
void fuzz_seed(int argc, char **argv, const char *name, const void *bytes, size_t count);

/* An unnamed file in memory that holds the bytes, for readers that want a path; close() of what is returned
 * removes it. */
enum { FUZZ_PATH_BYTES = 32 };
int fuzz_memory_file(const void *bytes, size_t count, char path[FUZZ_PATH_BYTES]);

/* Asks for everything that an open set of images has to offer. */
struct sim_images;
void fuzz_read_all(struct sim_images *set);

/* A promise does not hold: says which, and stops as a crash does, so that the fuzzer keeps the input. */
#define FUZZ_CHECK(promise) ((promise) ? (void)0 : fuzz_broken(#promise, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *promise, const char *file, int line);

#endif
