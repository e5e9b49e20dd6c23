/* meta.mat of ImageNet's devkit, which alone says which class has which number there. */
#ifndef SIM_PACK_DEVKIT_H
#define SIM_PACK_DEVKIT_H

#include <stddef.h>

#include "status.h"

/* 1: these are the first bytes of a MATLAB 5 file. */
int sim_pack_is_meta_mat(const char *bytes, size_t count);

/* Lines of "WNID NUMBER", from the struct array `synsets` and its fields WNID and ILSVRC2012_ID; the caller
 * frees *text. `path` is for errors.  The format: MathWorks, "MAT-File Format", level 5. */
sim_status sim_pack_meta_mat(const char *bytes, size_t count, const char *path, char **text);

#endif
