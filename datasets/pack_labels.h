/* Lists that say which class images belong to that lie in no class folder.  Text, a line for each image:
 *
 *     CLASS                     the images in the order of their names:
 * ILSVRC2012_validation_ground_truth.txt, imagenet_2012_validation_synset_labels.txt NAME CLASS ...
 * Tiny-ImageNet's val_annotations.txt, Kaggle's LOC_val_solution.csv; NAME may lack its ending
 *
 * with blanks, tabs or commas between words, of which all but the first or two are passed over.  Where CLASS
 * is a number, a second list names the classes: meta.mat of ImageNet's devkit, or lines of "CLASS NUMBER ..."
 * (map_clsloc.txt) or, one word a line, the names of 1, 2, 3 ... */
#ifndef SIM_PACK_LABELS_H
#define SIM_PACK_LABELS_H

#include <stdint.h>

#include "status.h"

struct sim_label_line {
    char *name;  /* NULL where the list goes by order */
    char *class; /* borrowed from the text */
};

struct sim_label_list {
    char *text, *synset_text; /* owned; cut into words */
    struct sim_label_line *lines;
    int64_t count;
    int by_name; /* then sorted by name */
    const char *path;
};

/* synsets: the second list, or NULL. */
sim_status sim_label_list_open(struct sim_label_list *out, const char *path, const char *synsets);
/* The class of the image called `name` (no folders in front), which is number `order` of `images` by name. */
sim_status sim_label_list_find(const struct sim_label_list *l, const char *name, int64_t order,
                               int64_t images, const char **class);
void sim_label_list_close(struct sim_label_list *l); /* zeroed struct is legal */

#endif
