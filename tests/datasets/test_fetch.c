/* datasets/fetch.sh against a server of its own: whole, cut off and resumed, damaged, unverified downloads.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "status.h"
#include "support.h"

enum { BYTES = 100000, PIECE = 40000 };

static char folder[512], body[BYTES], said[1 << 16];
static int port;
static pid_t server;

/* ------------------------------------------------------------------ the server */

static void send_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes += n;
        count -= (size_t)n;
    }
}

/* Every file holds `body`.  /cut: the line breaks after PIECE bytes; /whole_only: no Range; /absent: 404. */
static void answer(int fd, const char *request, FILE *log)
{
    char head[256];
    const char *range = strcasestr(request, "\r\nRange: bytes=");
    long from = range && !strstr(request, "whole_only") ? atol(range + 15) : 0;
    fprintf(log, "%.*s from %ld\n", (int)strcspn(request, "\r"), request, from);
    fflush(log);
    if (strstr(request, "/absent"))
        snprintf(head, sizeof head,
                 "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else if (from >= BYTES)
        snprintf(head, sizeof head,
                 "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n"
                 "Connection: close\r\n\r\n",
                 BYTES);
    else if (from > 0)
        snprintf(head, sizeof head,
                 "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %ld-%d/%d\r\nContent-Length: %ld\r\n"
                 "Connection: close\r\n\r\n",
                 from, BYTES - 1, BYTES, BYTES - from);
    else
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
                 BYTES);
    send_all(fd, head, strlen(head));
    if (strstr(request, "/absent") || from >= BYTES) return;
    long count = BYTES - from;
    if (strstr(request, "/cut") && count > PIECE) count = PIECE;
    send_all(fd, body + from, (size_t)count);
}

static void serve(int listener, const char *log_path)
{
    FILE *log = fopen(log_path, "w");
    for (;;) {
        char request[4096];
        size_t used = 0;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) _exit(1);
        request[0] = 0;
        while (used + 1 < sizeof request && !strstr(request, "\r\n\r\n")) {
            ssize_t n = recv(fd, request + used, sizeof request - used - 1, 0);
            if (n <= 0) break;
            request[used += (size_t)n] = 0;
        }
        answer(fd, request, log);
        close(fd);
    }
}

static void set_up(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char log[600];
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(log, sizeof log, "%s/requests", folder);
    for (int i = 0; i < BYTES; i++) body[i] = (char)(i * 31 + i / 256);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    port = ntohs(at.sin_port);
    server = fork();
    if (server == 0) serve(listener, log);
    close(listener);
}

static void tear_down(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

/* ------------------------------------------------------------------ the script */

/* Runs it on words that end a line of the shell; what it says, both streams, is in `said`. */
static int fetch(const char *words)
{
    char command[4096], path[600], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/said", folder);
    snprintf(command, sizeof command, "%s --into %s/down --table %s/table %s > %s 2>&1",
             test_path("../datasets/fetch.sh"), folder, folder, words, path);
    int status = system(command);
    test_ok(sim_file_read(path, sizeof said - 1, &text, &size));
    memcpy(said, text, size + 1);
    free(text);
    return WEXITSTATUS(status);
}

#define expect(words, code, word)                                                                            \
    do {                                                                                                     \
        int code_ = fetch(words);                                                                            \
        ck_assert_msg(code_ == (code) && strstr(said, word), "fetch.sh %s: %d, \"%s\" is missing in:\n%s",   \
                      words, code_, word, said);                                                             \
    } while (0)

static const char *at(const char *name)
{
    static char path[4][700];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* One row of the table; right: whether its sum is that of the file. */
static void put_row(const char *file, const char *sum)
{
    char row[512];
    snprintf(row, sizeof row, "set %s http://127.0.0.1:%d/%s %s\n", file, port, file, sum);
    test_ok(sim_file_write(at("table"), row, strlen(row)));
}

static const char *sum_of_body(void)
{
    static char sum[128];
    char command[700];
    test_ok(sim_file_write(at("body"), body, BYTES));
    snprintf(command, sizeof command, "sha256sum < %s", at("body"));
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    strcpy(sum, "sha256:");
    ck_assert_int_eq(fscanf(f, "%64s", sum + 7), 1);
    pclose(f);
    return sum;
}

static void have_whole(const char *name)
{
    test_same_files(at(name), at("body"));
}

static int asked(const char *what)
{
    char *text;
    test_ok(sim_file_read(at("requests"), 1 << 16, &text, NULL));
    int found = strstr(text, what) != NULL;
    free(text);
    return found;
}

START_TEST(a_whole_file_is_checked_and_not_fetched_twice)
{
    put_row("plain.bin", sum_of_body());
    expect("set", 0, "plain.bin: ok (sha256)");
    have_whole("down/plain.bin");
    unlink(at("requests"));
    expect("set", 0, "plain.bin: ok (sha256)");
    ck_assert_int_ne(access(at("requests"), F_OK), 0);
}
END_TEST

START_TEST(a_download_cut_off_goes_on)
{
    put_row("cut.bin", sum_of_body());
    expect("set", 1, "the same command goes on");
    ck_assert_int_ne(access(at("down/cut.bin"), F_OK), 0);
    expect("set", 1, "going on behind 40000 bytes");
    expect("set", 0, "cut.bin: ok");
    have_whole("down/cut.bin");
    ck_assert(asked("GET /cut.bin HTTP/1.1 from 40000") && asked("from 80000"));
    ck_assert_int_ne(access(at("down/cut.bin.part"), F_OK), 0);
}
END_TEST

/* Stopped between the last byte and the new name: the server has nothing more to give. */
START_TEST(a_part_that_is_whole_is_taken)
{
    put_row("plain.bin", sum_of_body());
    test_ok(sim_make_folder(at("down")));
    test_ok(sim_file_write(at("down/plain.bin.part"), body, BYTES));
    expect("set", 0, "plain.bin: ok");
    have_whole("down/plain.bin");
}
END_TEST

START_TEST(a_server_that_cannot_resume)
{
    put_row("whole_only.bin", sum_of_body());
    test_ok(sim_make_folder(at("down")));
    test_ok(sim_file_write(at("down/whole_only.bin.part"), body, 1000));
    expect("set", 0, "whole_only.bin: ok");
    have_whole("down/whole_only.bin");
}
END_TEST

START_TEST(what_is_damaged_is_thrown_away)
{
    char other[BYTES] = {1};
    put_row("plain.bin", sum_of_body());
    test_ok(sim_make_folder(at("down")));
    test_ok(sim_file_write(at("down/plain.bin.part"), other, 5000)); /* of another file */
    expect("set", 1, "is expected");
    ck_assert_int_ne(access(at("down/plain.bin"), F_OK), 0);
    expect("set", 0, "plain.bin: ok");
    have_whole("down/plain.bin");
    test_ok(sim_file_write(at("down/plain.bin"), other, BYTES));
    expect("set", 1, "remove it");
}
END_TEST

START_TEST(without_a_known_sum_it_says_so)
{
    char want[200];
    snprintf(want, sizeof want, "UNVERIFIED, nobody publishes a checksum; sha256 %s", sum_of_body() + 7);
    put_row("plain.bin", "-");
    expect("set", 0, want);
    have_whole("down/plain.bin");
}
END_TEST

START_TEST(mistakes_are_told)
{
    char words[128];
    put_row("absent.bin", "-");
    expect("set", 1, "absent.bin");
    ck_assert_int_ne(access(at("down/absent.bin"), F_OK), 0);
    expect("sets", 1, "no set sets");
    expect("--frm x set", 1, "unknown option --frm");
    expect("--list", 0, "cifar10 ");
    expect("--help", 0, "usage:");
    expect("imagenet", 1, "needs an account");
    /* A mirror with the wrong bytes is no way around the sum. */
    snprintf(words, sizeof words, "--from http://127.0.0.1:%d/ cifar10", port);
    expect(words, 1, "c32a1d4ab5d03f1284b67883e8d87530 is expected");
    ck_assert(asked("GET /cifar-10-binary.tar.gz"));
}
END_TEST

START_TEST(there_is_no_curl)
{
    test_skip("fetch.sh is tested with curl, and there is none");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fetch");
    TCase *t = tcase_create("fetch");
    tcase_set_timeout(t, 60);
    if (system("command -v curl > /dev/null 2>&1") != 0) {
        tcase_add_test(t, there_is_no_curl);
    } else {
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, a_whole_file_is_checked_and_not_fetched_twice);
        tcase_add_test(t, a_download_cut_off_goes_on);
        tcase_add_test(t, a_part_that_is_whole_is_taken);
        tcase_add_test(t, a_server_that_cannot_resume);
        tcase_add_test(t, what_is_damaged_is_thrown_away);
        tcase_add_test(t, without_a_known_sum_it_says_so);
        tcase_add_test(t, mistakes_are_told);
    }
    suite_add_tcase(s, t);
    return test_run(s);
}
