/* The bytes of a packed set, one file that is read by mapping it.  Integers are little-endian.
 *
 *     header             sim_pack_header, SIM_PACK_HEADER_BYTES
 *     data               the images' files (JPEG or PNG) one behind the other, in the order of the index
 *     padding            zeros, to a multiple of 8
 *     classes            sim_pack_class for each class, in the order of their names (strcmp)
 *     class names        each ended by a zero byte
 *     padding            zeros, to a multiple of 8
 *     index              sim_pack_entry for each image, class by class, in each by name
 *     names              each ended by a zero byte; without the class in front
 *
 * Images stand class by class, so an image's label follows from its number and the table of classes: nothing
 * that is read for one image can be out of range for the set.  Opening looks at the header and the classes
 * alone; an entry is checked when it is used, and the image's bytes against their checksum. */
#ifndef SIM_PACK_FORMAT_H
#define SIM_PACK_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define SIM_PACK_MAGIC "\x89SIMpack"
enum { SIM_PACK_VERSION = 1, SIM_PACK_HEADER_BYTES = 256, SIM_PACK_ALIGN = 8, SIM_PACK_SOURCE_BYTES = 152 };

struct sim_pack_header {
    char magic[8]; /* SIM_PACK_MAGIC */
    uint32_t version;
    uint32_t short_side, quality; /* of re-encoded images: pixels, 1 .. 100; both 0: every file as it was */
    uint32_t reserved;            /* 0 */
    uint64_t file_bytes, images, classes;
    uint64_t data_bytes, class_names_bytes, names_bytes;
    uint64_t recoded;  /* images that were re-encoded */
    uint64_t manifest; /* hash of names, labels and sizes as a folder of these files has it (catalogue.h) */
    uint64_t tables_hash; /* XXH64 of index and names, and so, by the checksums, of everything */
    char source[SIM_PACK_SOURCE_BYTES]; /* what was packed, ended by a zero byte */
    uint64_t hash; /* XXH64 of all above, continued over what stands between data and index: names the pack */
};
_Static_assert(sizeof(struct sim_pack_header) == SIM_PACK_HEADER_BYTES, "the header fills its place");

struct sim_pack_class {
    uint64_t first;   /* image; the last class reaches to the last image */
    uint64_t name_at; /* in the class names */
};

struct sim_pack_entry {
    uint64_t at;       /* of the file's first byte, from the start of the pack */
    uint64_t checksum; /* XXH64 of the file */
    uint32_t bytes;
    uint32_t name_at; /* in the names */
};
_Static_assert(sizeof(struct sim_pack_class) == 16 && sizeof(struct sim_pack_entry) == 24,
               "tables have no holes");

/* Where the tables begin, all from the start of the file. */
struct sim_pack_places {
    uint64_t classes, class_names, index, names, end;
};

/* 1 and the places that follow from the header's counts; 0 where these could not be in a file of that size.
 */
int sim_pack_place(const struct sim_pack_header *h, struct sim_pack_places *out);

/* The header's `hash`; behind_data: what stands from the last byte of data to the index. */
uint64_t sim_pack_header_hash(const struct sim_pack_header *h, const uint8_t *behind_data, size_t count);

#endif
