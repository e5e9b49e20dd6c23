/* Sets and packs made up for the tests of packs. */
#ifndef SIM_TEST_PACK_TRIAL_H
#define SIM_TEST_PACK_TRIAL_H

#include "pack.h"
#include "pack_write.h"

/* "FOLDER/NAME".  Static buffers, eight in rotation. */
const char *trial_at(const char *folder, const char *name);
void trial_put(const char *path, const void *bytes, size_t count); /* folders in front are made */
/* A picture of w x h pixels whose colours follow from `seed`, as PNG or, by the name's ending, JPEG. */
void trial_picture(const char *path, int w, int h, int seed);
/* `classes` folders class0, class1 ... below `folder`, with `each` pictures of several sizes, JPEG and PNG.
 */
void trial_set(const char *folder, int classes, int each);

/* A tar of the files of `folder` (plain names), in order of their names; the caller's to remove with its
 * folder. */
void trial_tar(const char *tar, const char *folder);

/* Packs whatever lies at `source` as it is, with two threads. */
struct sim_pack_made trial_pack(const char *source, const char *pack);
/* The same with more to say: c's source and workers are set here. */
sim_status trial_pack_as(const struct sim_pack_source_config *from, struct sim_pack_config *c,
                         struct sim_pack_made *made);

#endif
