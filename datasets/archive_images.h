/* Where an archive's path ends and the folder inside it begins. */
#ifndef SIM_ARCHIVE_IMAGES_H
#define SIM_ARCHIVE_IMAGES_H

#include <stddef.h>

/* 1 if `path` is a regular file or FILE:FOLDER, with the length of the file's part; 0 if there is no such
 * file.  A colon may stand in either part: the longest existing file wins. */
int sim_archive_split(const char *path, size_t *archive_length);

#endif
