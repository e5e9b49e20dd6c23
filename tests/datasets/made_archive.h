/* Archives and folders of images that tests make. */
#ifndef SIM_TEST_MADE_ARCHIVE_H
#define SIM_TEST_MADE_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

struct made_item {
    const char *name; /* ends in '/': a folder */
    const char *text; /* contents; "PNG" stands for a real picture; NULL for links */
    const char *hard, *soft;
};

enum packing { PLAIN, GZIP, XZ, ZSTD, PACKINGS };
extern const char *const made_endings[PACKINGS]; /* "tar", "tar.gz", ... */

extern uint8_t made_picture[4096]; /* a PNG of 3 x 2 pixels, once made_picture_open was called */
extern size_t made_picture_bytes;
void made_picture_open(void);

struct archive *made_archive_open(const char *path, enum packing how); /* to be written; pax where needed */
/* A file of so many bytes begins, which archive_write_data then adds. */
void made_member(struct archive *a, const char *name, int64_t size);
void made_archive_close(struct archive *a);

void made_pack(const char *path, enum packing how, const struct made_item *items, int count);
void made_lay_out(const char *folder, const struct made_item *items, int count); /* links are left out */
/* FOLDER/NAME, with the folders that NAME names. */
void made_put(const char *folder, const char *name, const void *data, size_t size);

#endif
