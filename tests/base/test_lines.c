/* Files read line by line: every byte of every line, and lines that are too long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "lines.h"
#include "support.h"

static const char *file_of(const void *bytes, size_t count)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/lines", test_scratch());
    test_ok(sim_file_write(path, bytes, count));
    return path;
}

START_TEST(every_line_is_read)
{
    static const char text[] = "one\n\ntwo\0zero\r\nlast";
    static const char *const wanted[] = {"one", "", "two", "last"};
    static const size_t sizes[] = {3, 0, 9, 4};
    struct sim_lines l;
    int more;
    test_ok(sim_lines_open(&l, file_of(text, sizeof text - 1), 9));
    for (int i = 0; i < 4; i++) {
        test_ok(sim_lines_next(&l, &more));
        ck_assert_int_eq(more, 1);
        ck_assert_int_eq(l.number, i + 1);
        ck_assert_uint_eq(l.size, sizes[i]);
        ck_assert_str_eq(l.text, wanted[i]);
    }
    test_ok(sim_lines_next(&l, &more));
    ck_assert_int_eq(more, 0);
    sim_lines_close(&l);
    test_ok(sim_lines_open(&l, file_of("", 0), 9));
    test_ok(sim_lines_next(&l, &more));
    ck_assert_int_eq(more, 0);
    sim_lines_close(&l);
}
END_TEST

START_TEST(a_line_too_long_is_refused)
{
    struct sim_lines l;
    int more;
    test_ok(sim_lines_open(&l, file_of("12345678\n123456789\n", 19), 8));
    test_ok(sim_lines_next(&l, &more));
    test_fails(sim_lines_next(&l, &more), "lines:2: a line of more than 8 bytes");
    sim_lines_close(&l);
    test_ok(sim_lines_open(&l, "/dev/zero", 1 << 20)); /* without an end */
    test_fails(sim_lines_next(&l, &more), "/dev/zero:1: a line of more than 1048576 bytes");
    sim_lines_close(&l);
    test_fails(sim_lines_open(&l, "no/such/file", 8), "no/such/file: cannot be opened");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lines");
    TCase *c = tcase_create("lines");
    tcase_add_test(c, every_line_is_read);
    tcase_add_test(c, a_line_too_long_is_refused);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
