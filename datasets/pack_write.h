/* Making a pack (pack_format.h).
 *
 * Images are read, and re-encoded where that is asked for, by several threads, and appended in the order of
 * the index to PATH.partial.  PATH.journal keeps size and checksum of what is safely there, so that after a
 * kill the same request goes on behind it, and ends with the same bytes as one that was never stopped.  When
 * all is written, the partial file gets its tables and its header, and takes the name PATH. */
#ifndef SIM_PACK_WRITE_H
#define SIM_PACK_WRITE_H

#include "pack_source.h"

struct sim_pack_config {
    struct sim_pack_source *source; /* its list's sizes become those of the packed files */
    const char *path;
    int short_side;   /* images whose shorter side is longer become so many pixels there, as JPEG; 0: files as
                         they are */
    int quality;      /* of that JPEG, 1 .. 100 */
    int keep_damaged; /* an image that cannot be decoded to be re-encoded goes in as it is; else it ends the
                         packing */
    int anew;         /* an existing pack is replaced, what an earlier start left is thrown away */
    int workers;
    /* For tests; 0: as preset. */
    int chunk_images;   /* at the most so many are in memory at once, twice */
    int64_t sync_bytes; /* the journal follows when so much was written */
};

struct sim_pack_made {
    int64_t images, resumed; /* resumed: taken over from an earlier start */
    int64_t recoded, damaged;
    uint64_t file_bytes;
};

/* Takes the path for itself (claim.h).  Without room on the disk, or where the pack is there already, nothing
 * is written.
 */
sim_status sim_pack_write(const struct sim_pack_config *c, struct sim_pack_made *made);

#endif
