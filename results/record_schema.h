/* What a record may hold: the one list of its fields, and the check of a line against it.  README.md shows
 * the same list as an example. */
#ifndef SIM_RECORD_SCHEMA_H
#define SIM_RECORD_SCHEMA_H

#include <jansson.h>
#include <stdint.h>

#include "status.h"

#define SIM_RECORD_SCHEMA 1

/* Things worth knowing about the files that were read, in the order in which they were met. */
struct sim_note {
    char *path, *text; /* owned */
    int64_t line;      /* where it was met first */
    int64_t times;     /* in this file */
};

struct sim_notes {
    struct sim_note *notes; /* owned */
    int count;
};

#define SIM_NOTES_MAX 50 /* the last of so many says that there are more */

/* The same text about the same file is counted, not repeated. */
sim_status sim_notes_add(struct sim_notes *n, const char *path, int64_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "records.jsonl:3: unknown field "x" (and on 4 more lines)" */
void sim_note_text(const struct sim_note *n, char *out, int size);
void sim_notes_close(struct sim_notes *n); /* a zeroed struct is legal */

/* Every field that a record must have is there, and everything known has its type and bounds; else an error
 * with file, line and field.  Fields that the list does not know become notes. */
sim_status sim_record_check(const json_t *record, const char *path, int64_t line, struct sim_notes *notes);

/* The error of a field whose meaning, not its type, is wrong: "path:line: field "f" is FOUND; EXPECTED
 * belongs here". */
sim_status sim_record_wrong(const char *path, int64_t line, const char *field, const char *found,
                            const char *expected);

#endif
