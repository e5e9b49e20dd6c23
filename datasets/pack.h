/* A packed set: one file (pack_format.h), mapped, from which images are decoded.  Safe from several threads
 * at once; a pack from a stranger does no harm: whatever it claims is held against the file's size before it
 * is used.  (A file that another process cuts while it is mapped ends this one with SIGBUS, as for every
 * map.) */
#ifndef SIM_PACK_H
#define SIM_PACK_H

#include "images.h"
#include "pack_format.h"

struct sim_pack {
    const uint8_t *map; /* the whole file */
    uint64_t map_bytes;
    const struct sim_pack_header *header;
    const struct sim_pack_class *classes;
    const char *class_names;
    const struct sim_pack_entry *index;
    const char *names;
    int64_t images;
    int class_count;
    char *path; /* owned */
};

/* 1: this is a file that begins as a pack does, or is called one (.pack). */
int sim_pack_is(const char *path);

/* Maps the file and checks header and classes; no image and no entry of the index is touched, so that a
 * million images open as fast as ten. */
sim_status sim_pack_map(struct sim_pack *out, const char *path);
void sim_pack_unmap(struct sim_pack *p); /* zeroed struct is legal */

/* The file of image i as it was packed, in the map.  SIM_EFORMAT, with its name, where the entry points
 * outside or the bytes are not those that were packed. */
sim_status sim_pack_file(const struct sim_pack *p, int64_t i, const uint8_t **bytes, size_t *count);
/* Says that these bytes are not needed for a while: a large pack would otherwise fill the memory of the
 * process. */
void sim_pack_release(const struct sim_pack *p, const uint8_t *bytes, size_t count);

int32_t sim_pack_label(const struct sim_pack *p, int64_t i);
const char *sim_pack_class_name(const struct sim_pack *p, int label);
/* The first image of a class; of class_count: one past the last of all. */
int64_t sim_pack_class_first(const struct sim_pack *p, int label);
/* "n01440764/x.JPEG", into path[size]. */
void sim_pack_path(const struct sim_pack *p, int64_t i, char *path, int size);
/* The pack's hash as 16 digits. */
void sim_pack_hash(const struct sim_pack *p, char hash[17]);

/* As a set of images; its manifest is that of the folder it was made from, where files were taken as they
 * are. */
sim_status sim_pack_open(struct sim_images *out, const char *path);

/* Every checksum, of tables and images, by `workers` threads; with `decode` every image is decoded too.  Each
 * image that is damaged is told (its number, its name, what is wrong), in their order.  SIM_EFORMAT if
 * anything is. */
struct sim_pack_check {
    const char *path;
    int workers, decode;
    void (*tell)(void *context, int64_t i, const char *what); /* i: -1 for the tables; NULL: nobody is told */
    void *context;
    int64_t images, damaged; /* out */
    uint64_t bytes;          /* out */
};
sim_status sim_pack_verify(struct sim_pack_check *c);

#endif
