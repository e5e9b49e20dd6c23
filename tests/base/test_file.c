#include "file.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "support.h"

/* ------------------------------------------------------------------ helpers */

static char folder[512]; /* fresh in every test */

static void enter(void)
{
    snprintf(folder, sizeof folder, "%.500s", test_scratch());
}

static const char *at(const char *name)
{
    static char path[4][1024];
    static int turn;
    char *p = path[turn++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void check_text(const char *path, const char *want)
{
    char *text;
    size_t size;
    test_ok(sim_file_read(path, 1 << 20, &text, &size));
    ck_assert_str_eq(text, want);
    ck_assert_uint_eq(size, strlen(want));
    free(text);
}

static int entries(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

/* ------------------------------------------------------------------ whole files */

START_TEST(a_file_is_written_and_replaced)
{
    test_ok(sim_file_write(at("f"), "old", 3));
    check_text(at("f"), "old");
    test_ok(sim_file_write(at("f"), "", 0));
    check_text(at("f"), "");
    struct sim_writer *w;
    test_ok(sim_writer_open(&w, at("f")));
    test_ok(sim_writer_put(w, "new ", 4));
    check_text(at("f"), ""); /* nothing shows before the commit */
    test_ok(sim_writer_put(w, "text", 4));
    test_ok(sim_writer_commit(&w));
    ck_assert_ptr_null(w);
    check_text(at("f"), "new text");
    ck_assert_int_eq(entries(), 1);
    struct stat s;
    mode_t mask = umask(0);
    umask(mask);
    ck_assert_int_eq(stat(at("f"), &s), 0);
    ck_assert_uint_eq(s.st_mode & 0777, 0666 & ~mask);
}
END_TEST

START_TEST(a_path_without_a_folder_is_the_current_one)
{
    ck_assert_int_eq(chdir(folder), 0);
    test_ok(sim_file_write("plain", "x", 1));
    check_text(at("plain"), "x");
}
END_TEST

START_TEST(an_abandoned_file_leaves_nothing)
{
    struct sim_writer *w;
    test_ok(sim_file_write(at("f"), "old", 3));
    test_ok(sim_writer_open(&w, at("f")));
    test_ok(sim_writer_put(w, "new", 3));
    sim_writer_abandon(&w);
    ck_assert_ptr_null(w);
    sim_writer_abandon(&w);
    check_text(at("f"), "old");
    ck_assert_int_eq(entries(), 1);
}
END_TEST

/* The promise: a fault at the n-th write, for every n, leaves the old file or the new one, and no temporary.
 */
START_TEST(a_fault_at_any_call_leaves_a_whole_file)
{
    static const enum test_fault kinds[] = {TEST_FAULT_EIO, TEST_FAULT_ENOSPC};
    static const char *const words[] = {"Input/output error", "No space left on device"};
    test_ok(sim_file_write(at("other"), "old", 3));
    test_fault_at(TEST_FAULT_NONE, 0);
    test_ok(sim_file_write(at("other"), "new text", 8));
    int64_t calls = test_fault_at(TEST_FAULT_NONE, 0);
    ck_assert_int_eq(calls, 4); /* write, fsync, rename, fsync of the folder */
    for (int64_t n = 1; n <= calls; n++) {
        test_ok(sim_file_write(at("f"), "old", 3));
        test_fault_at(kinds[_i], n);
        test_fails(sim_file_write(at("f"), "new text", 8), "/f: ");
        ck_assert_ptr_nonnull(strstr(sim_error_text(), words[_i]));
        check_text(at("f"), n < calls ? "old" : "new text");
        ck_assert_int_eq(entries(), 2);
    }
    test_fault_at(kinds[_i], calls + 1);
    test_ok(sim_file_write(at("f"), "new text", 8));
}
END_TEST

/* A write that takes half of the bytes is gone on with. */
START_TEST(a_short_write_is_finished)
{
    test_fault_at(TEST_FAULT_SHORT, 1);
    test_ok(sim_file_write(at("f"), "new text", 8));
    check_text(at("f"), "new text");
    ck_assert_int_eq(test_fault_at(TEST_FAULT_SHORT, 1), 5);
    test_ok(sim_file_append_line(at("log"), "a line"));
    check_text(at("log"), "a line\n");
}
END_TEST

/* A file is replaced, and a line appended, by a process that is killed, or whose machine loses power, at any
 * call. */
START_TEST(whoever_is_killed_leaves_whole_files)
{
    static const enum test_fault kinds[] = {TEST_FAULT_KILL, TEST_FAULT_POWER};
    int killed = 1;
    for (int64_t n = 1; killed; n++) {
        int status;
        test_ok(sim_file_write(at("f"), "old", 3));
        test_ok(sim_file_write(at("log"), "first\n", 6));
        pid_t child = fork();
        if (child == 0) {
            test_fault_at(kinds[_i], n);
            _exit(sim_file_write(at("f"), "new text", 8) + sim_file_append_line(at("log"), "second"));
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        killed = WIFSIGNALED(status);
        ck_assert(killed || (n == 7 && status == 0)); /* four calls and two */
        check_text(at("f"), n < 4 || (_i == 1 && n == 4) ? "old" : "new text");
        test_ok(sim_file_append_line(at("log"), "third")); /* a half line stands alone */
        check_text(at("log"), n < 5          ? "first\nthird\n"
                              : n == 5       ? _i ? "first\nthird\n" : "first\nsec\nthird\n"
                              : n == 6 && _i ? "first\nthird\n"
                                             : "first\nsecond\nthird\n");
    }
}
END_TEST

START_TEST(room_is_asked_for)
{
    test_ok(sim_file_room(at("f"), 1));
    test_ok(sim_file_room(at("absent/f"), UINT64_MAX)); /* writing it will say what is wrong */
    test_fails(sim_file_room(at("f"), UINT64_MAX), "/f: not written, for want of room: it needs ");
    test_fault_room(3 << 20);
    test_ok(sim_file_room("f", 3 << 20));
    test_fails(sim_file_room("f", 4 << 20), "it needs 4.0 MiB, and its file system has 3.0 MiB free");
}
END_TEST

/* A real refusal half-way through a write, by the limit on file sizes. */
START_TEST(a_disk_that_fills_up_leaves_the_old_file)
{
    test_ok(sim_file_write(at("f"), "old", 3));
    test_ok(sim_file_append_line(at("log"), "first"));
    static char big[20000];
    memset(big, 'x', sizeof big - 1);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {8192, 8192};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    test_fails(sim_file_write(at("f"), big, sizeof big), "/f: cannot write: ");
    check_text(at("f"), "old");
    test_fails(sim_file_append_line(at("log"), big), "/log: cannot append: ");
    check_text(at("log"), "first\n");
    ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(places_that_cannot_be_written_are_named)
{
    test_fails(sim_file_write(at("absent/f"), "x", 1), "absent/f: cannot write: No such file");
    test_fails(sim_file_write(folder, "x", 1), "it is a folder");
    test_ok(sim_file_write(at("f"), "x", 1));
    test_fails(sim_file_write(at("f/g"), "x", 1), "f/g: cannot write: Not a directory");
}
END_TEST

START_TEST(reading_is_bounded)
{
    char *text;
    size_t size;
    test_ok(sim_file_write(at("f"), "12\0004", 4));
    test_ok(sim_file_read(at("f"), 4, &text, &size));
    ck_assert_uint_eq(size, 4);
    ck_assert_mem_eq(text, "12\0004", 5);
    free(text);
    test_fails(sim_file_read(at("f"), 3, &text, &size), "larger than the 3 bytes");
    ck_assert_ptr_null(text);
    test_fails(sim_file_read(at("absent"), 3, &text, NULL), "absent: cannot open: No such file");
    test_fails(sim_file_read(folder, 3, &text, NULL), "cannot read: Is a directory");
    test_fails(sim_file_read("/dev/zero", 10000, &text, NULL), "larger than");
}
END_TEST

START_TEST(reading_gives_every_size_back)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *bytes = malloc(sizes[i] + 1), *back;
        size_t size;
        for (size_t b = 0; b < sizes[i]; b++) bytes[b] = (char)(b * 7 + b / 256);
        test_ok(sim_file_write(at("f"), bytes, sizes[i]));
        test_ok(sim_file_read(at("f"), sizes[i], &back, &size));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert(sizes[i] == 0 || memcmp(bytes, back, size) == 0);
        ck_assert_int_eq(back[size], 0);
        free(bytes);
        free(back);
    }
}
END_TEST

/* ------------------------------------------------------------------ appending */

START_TEST(lines_are_appended)
{
    test_ok(sim_file_append_line(at("log"), "one"));
    test_ok(sim_file_append_line(at("log"), ""));
    test_ok(sim_file_append_line(at("log"), "three"));
    check_text(at("log"), "one\n\nthree\n");
    test_fails(sim_file_append_line(at("log"), "a\nb"), "holds a newline");
    test_fails(sim_file_append_line(at("absent/log"), "a"), "absent/log: cannot append: No such file");
    check_text(at("log"), "one\n\nthree\n");
}
END_TEST

START_TEST(a_half_line_stands_alone)
{
    test_ok(sim_file_write(at("log"), "one\n{\"cut", 9));
    test_ok(sim_file_append_line(at("log"), "two"));
    check_text(at("log"), "one\n{\"cut\ntwo\n");
}
END_TEST

START_TEST(a_fault_while_appending_leaves_the_old_lines)
{
    test_ok(sim_file_append_line(at("log"), "one"));
    for (int64_t n = 1; n <= 2; n++) { /* write, fsync */
        test_fault_at(TEST_FAULT_ENOSPC, n);
        test_fails(sim_file_append_line(at("log"), "two"), "No space left");
        check_text(at("log"), "one\n");
    }
}
END_TEST

/* The runs of a sweep append to one file at once. */
START_TEST(lines_of_several_processes_do_not_mix)
{
    enum { PROCESSES = 4, LINES = 25, WIDTH = 300 };
    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            char line[WIDTH + 1];
            memset(line, 'a' + p, WIDTH);
            line[WIDTH] = '\0';
            for (int i = 0; i < LINES; i++)
                if (sim_file_append_line(at("log"), line) != SIM_OK) _exit(1);
            _exit(0);
        }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    char *text;
    size_t size;
    test_ok(sim_file_read(at("log"), 1 << 20, &text, &size));
    ck_assert_uint_eq(size, PROCESSES * LINES * (WIDTH + 1));
    for (size_t i = 0; i < size; i++) {
        char want = i % (WIDTH + 1) == WIDTH ? '\n' : text[i / (WIDTH + 1) * (WIDTH + 1)];
        ck_assert_int_eq(text[i], want);
    }
    free(text);
}
END_TEST

/* ------------------------------------------------------------------ folders */

START_TEST(folders_are_made_with_their_parents)
{
    test_ok(sim_make_folder(at("a/b//c/")));
    test_ok(sim_make_folder(at("a/b/c")));
    test_ok(sim_file_write(at("a/b/c/f"), "x", 1));
    test_fails(sim_make_folder(at("a/b/c/f")), "c/f: a file stands there");
    test_fails(sim_make_folder(at("a/b/c/f/g")), "cannot make the folder");
    test_fails(sim_make_folder(""), "cannot be written");
    ck_assert_int_eq(chdir(folder), 0);
    test_ok(sim_make_folder("x/y"));
    test_ok(sim_file_write(at("x/y/f"), "x", 1));
}
END_TEST

START_TEST(folders_that_cannot_be_written_are_refused)
{
    test_ok(sim_make_folder(at("closed")));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(chmod("closed", 0555), 0);
    if (geteuid() == 0 && seteuid(65534) != 0) { /* root may write anywhere */
        test_skip("an unwritable folder needs a user other than root");
        return;
    }
    test_fails(sim_make_folder("closed"), "closed: the folder cannot be written");
    test_fails(sim_make_folder("closed/inner"), "closed/inner");
    test_fails(sim_file_write("closed/f", "x", 1), "closed/f: cannot write: Permission denied");
    if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(what_killed_processes_left_is_removed)
{
    static const char *const stale[] = {"a/.f.12-3.tmp", "a/.checkpoint.safetensors.4711-0-77.tmp"};
    static const char *const kept[] = {"a/f",      "a/f.12-3.tmp", "a/.tmp",
                                       "a/.f.tmp", "a/.f.x-3.tmp", "a/.12-3.tmp"};
    test_fails(sim_folder_clean(at("a")), "a: cannot open the folder: No such file");
    test_ok(sim_make_folder(at("a")));
    for (int i = 0; i < 2; i++) test_ok(sim_file_write(at(stale[i]), "x", 1));
    for (int i = 0; i < 6; i++) test_ok(sim_file_write(at(kept[i]), "x", 1));
    test_ok(sim_folder_clean(at("a")));
    for (int i = 0; i < 2; i++) ck_assert_int_ne(access(at(stale[i]), F_OK), 0);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(access(at(kept[i]), F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("file");
    TCase *c = tcase_create("whole files");
    tcase_add_checked_fixture(c, enter, NULL);
    tcase_add_test(c, a_file_is_written_and_replaced);
    tcase_add_test(c, a_path_without_a_folder_is_the_current_one);
    tcase_add_test(c, an_abandoned_file_leaves_nothing);
    tcase_add_loop_test(c, a_fault_at_any_call_leaves_a_whole_file, 0, 2);
    tcase_add_test(c, a_short_write_is_finished);
    tcase_add_loop_test(c, whoever_is_killed_leaves_whole_files, 0, 2);
    tcase_add_test(c, room_is_asked_for);
    tcase_add_test(c, a_disk_that_fills_up_leaves_the_old_file);
    tcase_add_test(c, places_that_cannot_be_written_are_named);
    tcase_add_test(c, reading_is_bounded);
    tcase_add_test(c, reading_gives_every_size_back);
    suite_add_tcase(s, c);
    c = tcase_create("appending");
    tcase_add_checked_fixture(c, enter, NULL);
    tcase_add_test(c, lines_are_appended);
    tcase_add_test(c, a_half_line_stands_alone);
    tcase_add_test(c, a_fault_while_appending_leaves_the_old_lines);
    tcase_add_test(c, lines_of_several_processes_do_not_mix);
    suite_add_tcase(s, c);
    c = tcase_create("folders");
    tcase_add_checked_fixture(c, enter, NULL);
    tcase_add_test(c, folders_are_made_with_their_parents);
    tcase_add_test(c, folders_that_cannot_be_written_are_refused);
    tcase_add_test(c, what_killed_processes_left_is_removed);
    suite_add_tcase(s, c);
    return test_run(s);
}
