/* Which labelled images a few-shot score is fitted to. */
#ifndef SIM_SPLIT_H
#define SIM_SPLIT_H

#include "batch.h"
#include "status.h"

struct sim_split {
    int64_t *index; /* (count) ascending, of the training set; owned */
    int64_t count;
    char hash[17]; /* XXH64 of index */
};

/* From a file with one image a line, as the public 1 % and 10 % lists of ImageNet are: a path, or as much of
 * its end as tells it from others ("n01440764/x.JPEG", "x.JPEG").  Empty lines are passed over.  A line that
 * names no image, several, or one that was named before is an error with file and line; so is a class without
 * any. */
sim_status sim_split_read(struct sim_split *out, const struct sim_labelled *set, const char *path);

/* Drawn by seed: per_class images of each class; where that is 0, `percent` of the set, shared out evenly,
 * what does not divide going to classes in a drawn order.  Of two splits of one seed the larger contains the
 * smaller, as far as each class goes.  A share below one image a class, or above what a class has, is an
 * error. */
sim_status sim_split_draw(struct sim_split *out, const struct sim_labelled *set, double percent,
                          int64_t per_class, uint64_t seed);

void sim_split_close(struct sim_split *s); /* a zeroed one is legal */

#endif
