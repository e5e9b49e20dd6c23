/* Files that are whole or absent: a temporary in the same folder, every write checked, fsync, rename,
 * fsync of the folder. */
#ifndef SIM_FILE_H
#define SIM_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "status.h"

struct sim_writer; /* opaque: an open temporary */

/* Starts writing `path` by way of a temporary beside it. */
sim_status sim_writer_open(struct sim_writer **out, const char *path);
sim_status sim_writer_put(struct sim_writer *w, const void *bytes, size_t count);
/* fsync, rename over `path`, fsync the folder, release.  On failure the old file at `path` is untouched
 * and the temporary is gone; where only the folder's fsync fails, the new file already stands there, whole,
 * and the error says so.  *w is released and set to NULL either way. */
sim_status sim_writer_commit(struct sim_writer **w);
/* Gives up: removes the temporary.  Legal on NULL. */
void sim_writer_abandon(struct sim_writer **w);

/* Fails where the file system of `path` has fewer than so many bytes free, saying both; where it does not say
 * what it has, that is left for the writing to find out. */
sim_status sim_file_room(const char *path, uint64_t bytes);

/* Whole small files.  The text is NUL-terminated; the caller frees it.  Larger than max_bytes is an error. */
sim_status sim_file_read(const char *path, size_t max_bytes, char **text, size_t *size_bytes);
sim_status sim_file_write(const char *path, const void *bytes, size_t count); /* atomic */

/* Appends one line (a newline is added) in a single write, fsynced: the line is whole or absent.  If the
 * file ends in a half line (cut power), a newline is put first so that the new line stands alone. */
sim_status sim_file_append_line(const char *path, const char *line);

/* mkdir -p.  An existing folder that cannot be written is an error. */
sim_status sim_make_folder(const char *path);

/* Removes the temporaries that killed processes left in a folder; for who is alone at work there (claim.h).
 */
sim_status sim_folder_clean(const char *folder);

#endif
