#include "progress.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "support.h"

/* ------------------------------------------------------------------ catching stderr */

static char path[1024];

static void to_file(void)
{
    snprintf(path, sizeof path, "%s/stderr", test_scratch());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static char *what_was_written(void)
{
    char *text;
    fflush(stderr);
    test_ok(sim_file_read(path, 1 << 16, &text, NULL));
    return text;
}

/* A pseudo-terminal of `width` columns becomes stderr; returns its other end. */
static int to_terminal(int width)
{
    int outer = posix_openpt(O_RDWR | O_NOCTTY);
    if (outer < 0 || grantpt(outer) != 0 || unlockpt(outer) != 0) return -1;
    int inner = open(ptsname(outer), O_RDWR | O_NOCTTY);
    if (inner < 0) return -1;
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)width};
    ioctl(inner, TIOCSWINSZ, &size);
    dup2(inner, STDERR_FILENO);
    close(inner);
    fcntl(outer, F_SETFL, O_NONBLOCK);
    return outer;
}

/* What was written so far must be `want`; it may take a moment to come through. */
static void check_terminal(int outer, const char *want)
{
    char text[4096];
    size_t used = 0, size = strlen(want);
    for (double end = sim_now_s() + 2; used < size && sim_now_s() < end;) {
        ssize_t n = read(outer, text + used, sizeof text - 1 - used);
        if (n > 0)
            used += (size_t)n;
        else
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    text[used] = '\0';
    ck_assert_str_eq(text, want);
}

/* ------------------------------------------------------------------ tests */

START_TEST(durations_read_well)
{
    static const struct {
        double s;
        const char *text;
    } cases[] = {
        {0, "0.0 s"},
        {4.21, "4.2 s"},
        {9.94, "9.9 s"},
        {9.96, "10 s"},
        {59.4, "59 s"},
        {59.6, "1 min 00 s"},
        {185, "3 min 05 s"},
        {3599.6, "1 h 00 min"},
        {7800, "2 h 10 min"},
        {86399, "1 d 00 h"},
        {3 * 86400 + 4 * 3600, "3 d 04 h"},
        {NAN, "?"},
        {INFINITY, "?"},
        {-1, "?"},
        {1e300, "?"},
    };
    char out[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sim_format_duration(cases[i].s, out, sizeof out);
        ck_assert_str_eq(out, cases[i].text);
    }
    char small[4];
    sim_format_duration(185, small, sizeof small);
    ck_assert_str_eq(small, "3 m");
}
END_TEST

START_TEST(the_clock_runs_forward)
{
    double a = sim_now_s();
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    double b = sim_now_s();
    ck_assert(b - a >= 0.002 && b - a < 10);
}
END_TEST

START_TEST(a_file_gets_lines_now_and_then)
{
    to_file();
    struct sim_progress p;
    sim_progress_start(&p, "epoch 3", "img", 1000);
    ck_assert_int_eq(p.terminal, 0);
    sim_progress_update(&p, 10, NULL); /* too soon */
    p.resumed = 200;
    p.started_s -= 20, p.shown_s -= 20; /* twenty seconds later */
    sim_progress_update(&p, 600, "loss 0.5");
    sim_progress_update(&p, 700, NULL); /* too soon again */
    sim_log("saved %s", "x");
    sim_progress_update(&p, 1000, NULL);
    sim_progress_finish(&p);
    char *text = what_was_written();
    ck_assert_str_eq(text, "epoch 3  60% 600/1000 img, 20.0 img/s, ETA 20 s, loss 0.5\n"
                           "saved x\n"
                           "epoch 3: 800 img in 20 s\n");
    free(text);
}
END_TEST

START_TEST(an_unknown_total_has_no_share)
{
    to_file();
    struct sim_progress p;
    sim_progress_start(&p, "reading", "files", 0);
    p.started_s -= 100, p.shown_s -= 100;
    sim_progress_update(&p, 50, NULL);
    char *text = what_was_written();
    ck_assert_str_eq(text, "reading 50 files, 0.5 files/s\n");
    free(text);
}
END_TEST

START_TEST(quick_and_quiet_work_shows_nothing)
{
    to_file();
    struct sim_progress p;
    sim_progress_start(&p, "quick", "img", 5);
    sim_progress_update(&p, 5, NULL);
    sim_progress_finish(&p);
    sim_progress_quiet(1);
    sim_progress_start(&p, "quiet", "img", 5);
    p.shown_s -= 100;
    sim_progress_update(&p, 5, NULL);
    sim_progress_finish(&p);
    sim_progress_quiet(0);
    char *text = what_was_written();
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

START_TEST(a_terminal_gets_one_line_that_is_redrawn)
{
    int outer = to_terminal(30);
    if (outer < 0) {
        test_skip("no pseudo-terminals here");
        return;
    }
    struct sim_progress p;
    sim_progress_start(&p, "epoch 3", "img", 1000);
    ck_assert_int_eq(p.terminal, 1);
    p.started_s -= 20, p.shown_s -= 20;
    sim_progress_update(&p, 500, NULL);
    check_terminal(outer, "epoch 3  50% 500/1000 img, 25"); /* one column is left free */
    sim_log("saved");
    check_terminal(outer, "\r\x1b[Ksaved\r\nepoch 3  50% 500/1000 img, 25");
    sim_progress_finish(&p);
    check_terminal(outer, "\r\x1b[K");
    sim_log("done");
    check_terminal(outer, "done\r\n");
    close(outer);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("progress");
    TCase *c = tcase_create("progress");
    tcase_add_test(c, durations_read_well);
    tcase_add_test(c, the_clock_runs_forward);
    tcase_add_test(c, a_file_gets_lines_now_and_then);
    tcase_add_test(c, an_unknown_total_has_no_share);
    tcase_add_test(c, quick_and_quiet_work_shows_nothing);
    tcase_add_test(c, a_terminal_gets_one_line_that_is_redrawn);
    suite_add_tcase(s, c);
    return test_run(s);
}
