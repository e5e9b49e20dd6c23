/* What the writer of packs is made of (pack_write.h). */
#ifndef SIM_PACK_WRITE_PARTS_H
#define SIM_PACK_WRITE_PARTS_H

#include "pack_source.h"

/* What the writer, and its journal, keep of an image that is in the partial file. */
struct sim_pack_kept {
    uint64_t checksum; /* as in sim_pack_entry */
    uint32_t bytes, flags;
};
enum { SIM_PACK_RECODED = 1, SIM_PACK_DAMAGED = 2 };

/* The journal is a key, which tells one request (source, order, form) from another, and the images in their
 * order. Reads those of an earlier start under the same key that lie within the first data_bytes into kept[0
 * .. count), *done of them; where there is no such journal, 0. */
sim_status sim_pack_journal_read(const char *path, uint64_t key, uint64_t data_bytes, int64_t count,
                                 struct sim_pack_kept *kept, int64_t *done);

/* The shorter side becomes so many pixels, in JPEG of that quality, with the bytes that Pillow's
 * resize(BICUBIC) and save() give; *flags says whether (SIM_PACK_RECODED), or why not (0: it is small enough,
 * SIM_PACK_DAMAGED, with SIM_EFORMAT: it cannot be decoded).  Marks, profile and orientation of a re-encoded
 * file are not kept. */
sim_status sim_pack_recode(const struct sim_bytes *file, int short_side, int quality, const char *name,
                           struct sim_bytes *out, uint32_t *flags);

#endif
