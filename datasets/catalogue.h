/* The table of a set of image files: what a folder and an archive have in common.  Paths are CLASS/.../FILE;
 * sorted class names define the labels, as torchvision's ImageFolder does. */
#ifndef SIM_CATALOGUE_H
#define SIM_CATALOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "images.h"

struct sim_member {
    char *path;    /* owned; CLASS/.../FILE */
    uint8_t *data; /* owned; the file's bytes, NULL where they stay on disk */
    uint64_t size_bytes;
    uint64_t at; /* where the bytes begin, for those who keep them neither here nor in a file of that name */
    int64_t order; /* of arrival: among equal paths the last wins, as when tar unpacks */
    int32_t label; /* after sim_catalogue_finish */
};

struct sim_catalogue {
    struct sim_member *members;
    char **classes; /* owned names; sorted after sim_catalogue_finish */
    int64_t count, room;
    int class_count, class_room;
    int64_t left_out; /* files that are no images, links that lead nowhere */
    char first_left_out[256];
    char hash[17];
};

/* Takes `data` (also on failure) and a copy of `path`, which must have a folder in front. */
sim_status sim_catalogue_add(struct sim_catalogue *c, const char *path, uint64_t size_bytes, uint8_t *data);

/* A class folder that exists, even if no image turns up in it. */
sim_status sim_catalogue_add_class(struct sim_catalogue *c, const char *name);

/* Counts a file that is not taken. */
void sim_catalogue_leave_out(struct sim_catalogue *c, const char *path);

/* Sorts by class, then path.  Equal paths: the last one added stays. */
void sim_catalogue_sort(struct sim_catalogue *c);
/* After sorting; NULL where there is none. */
const struct sim_member *sim_catalogue_find(const struct sim_catalogue *c, const char *path);

/* Sorts, gives labels, takes the hash, says in the log what was left out.  No image at all, an empty class,
 * or one single class that holds nothing but folders (the path stops too early) are errors that begin with
 * `where`. */
sim_status sim_catalogue_finish(struct sim_catalogue *c, const char *where);
/* Takes the hash again, for sizes that have become others since. */
sim_status sim_catalogue_take_hash(struct sim_catalogue *c);
void sim_catalogue_close(struct sim_catalogue *c); /* zeroed struct is legal */

/* What a folder or an archive holds, not finished yet, and what stands before a path to make it an image's
 * name (the caller frees).  Both are the caller's to close and free after a failure too. */
sim_status sim_folder_list(struct sim_catalogue *c, const char *path, char **prefix);
sim_status sim_archive_list(struct sim_catalogue *c, const char *path, char **prefix);

/* The set of what `list` finds at `path`.  An image is called prefix + path; those without bytes in memory
 * are files of that name. */
sim_status sim_catalogue_open(struct sim_images *out, const char *path,
                              sim_status (*list)(struct sim_catalogue *c, const char *path, char **prefix));

/* Is this an image file?  1: by its name (.jpg, .jpeg, .png) or its first bytes; 0: no; -1: the name does not
 * say and `head` is NULL, ask again with the first bytes. */
int sim_catalogue_is_image(const char *name, const uint8_t *head, size_t count);

#define SIM_HEAD_BYTES 8 /* as many first bytes as the question needs */

#endif
