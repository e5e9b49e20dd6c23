/* Event files read back, by a reader that shares nothing with the writer (core/base/events.h). */
#ifndef SIM_TEST_EVENT_FILE_H
#define SIM_TEST_EVENT_FILE_H

#include <stddef.h>
#include <stdint.h>

struct test_event {
    int64_t step;
    double wall_s;
    char version[32]; /* "" but in the first */
    int start;        /* a session's: what has this step or a later one in files before is superseded */
    char tag[128];    /* of a value */
    float value;
    uint8_t *png; /* of a picture, else NULL */
    size_t png_bytes;
    int64_t width, height;
};

struct test_events {
    struct test_event *event; /* one for each value of an event */
    int count;
};

/* The whole file; fails the test where a checksum or a length is wrong, or the file ends in half a record. */
struct test_events test_events_read(const char *path);
/* The files of a folder in the order of their names, what later ones supersede left out: what TensorBoard
 * shows. */
struct test_events test_events_read_folder(const char *folder);
void test_events_close(struct test_events *e);

/* Events of a tag; the last of them at a step, NULL where there is none. */
int test_events_count(const struct test_events *e, const char *tag);
const struct test_event *test_events_find(const struct test_events *e, const char *tag, int64_t step);

#endif
