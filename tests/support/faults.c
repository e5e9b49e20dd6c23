#include "faults.h"

#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *const test_fault_words[TEST_FAULTS] = {"none", "short", "eio", "enospc", "kill", "power"};

static atomic_llong countdown, calls;
static enum test_fault fault_kind;
static char mark[PATH_MAX];  /* "": nobody asked */
static char passed_over[64]; /* "": nothing */
static atomic_llong room = -1;

int64_t test_fault_at(enum test_fault kind, int64_t n)
{
    fault_kind = kind;
    atomic_store(&countdown, n);
    return atomic_exchange(&calls, 0);
}

void test_fault_room(int64_t free_bytes)
{
    atomic_store(&room, free_bytes);
}

/* TEST_FAULT, for a program that knows nothing of this. */
__attribute__((constructor)) static void read_wish(void)
{
    const char *wish = getenv("TEST_FAULT");
    char word[16];
    long long n;
    if (!wish || sscanf(wish, "%15[a-z]:%lld:%63[^:]:%4000s", word, &n, passed_over, mark) != 4) return;
    for (int k = 1; k < TEST_FAULTS; k++)
        if (strcmp(word, test_fault_words[k]) == 0) test_fault_at((enum test_fault)k, n);
    unsetenv("LD_PRELOAD");
    unsetenv("TEST_FAULT");
}

/* ------------------------------------------------------------------ what a power cut takes */

enum { MOST = 64 };

/* A file with bytes that no fsync has covered. */
struct loose_bytes {
    dev_t device;
    ino_t inode;
    char path[PATH_MAX];
    off_t durable; /* bytes of it */
};

/* A rename whose folder was not synced since. */
struct loose_name {
    char from[PATH_MAX], to[PATH_MAX];
    int before; /* open on what stood at `to`; -1: nothing */
};

static struct loose_bytes bytes[MOST];
static struct loose_name names[MOST];
static int byte_count, name_count;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static struct loose_bytes *loose(const struct stat *s)
{
    for (int i = 0; i < byte_count; i++)
        if (bytes[i].device == s->st_dev && bytes[i].inode == s->st_ino) return &bytes[i];
    return NULL;
}

static const char *path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = 0;
    return path;
}

static void note_write(int fd, const struct stat *s)
{
    if (loose(s) || byte_count == MOST) return;
    struct loose_bytes *b = &bytes[byte_count++];
    path_of(fd, b->path);
    b->device = s->st_dev, b->inode = s->st_ino, b->durable = s->st_size;
}

/* A file, or a folder, all of whose names are durable then. */
static void note_sync(const struct stat *s)
{
    struct loose_bytes *b = loose(s);
    if (b) *b = bytes[--byte_count];
    if (!S_ISDIR(s->st_mode)) return;
    for (int i = 0; i < name_count; i++)
        if (names[i].before >= 0) close(names[i].before);
    name_count = 0;
}

static void note_rename(const char *from, const char *to)
{
    if (name_count == MOST) return;
    struct loose_name *n = &names[name_count++];
    snprintf(n->from, sizeof n->from, "%s", from);
    snprintf(n->to, sizeof n->to, "%s", to);
    n->before = open(to, O_RDONLY | O_CLOEXEC);
}

static void undo_rename(const struct loose_name *n)
{
    char block[4096];
    syscall(SYS_rename, n->to, n->from);
    if (n->before < 0) return;
    int fd = open(n->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    for (ssize_t got; (got = read(n->before, block, sizeof block)) > 0;)
        if (syscall(SYS_write, fd, block, (size_t)got) != got) abort();
    close(fd);
}

static void cut_power(void)
{
    for (int i = 0; i < byte_count; i++)
        if (truncate(bytes[i].path, bytes[i].durable) != 0) abort();
    while (name_count) undo_rename(&names[--name_count]);
}

/* ------------------------------------------------------------------ the calls */

static void say_mark(const char *call, const char *path)
{
    char text[PATH_MAX + 32];
    int n = snprintf(text, sizeof text, "%s %s\n", call, path);
    if (!mark[0]) return;
    int fd = open(mark, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || syscall(SYS_write, fd, text, (size_t)n) != n) abort();
    close(fd);
}

/* Counts a call; whether it is the one to go wrong. */
static int hits(const char *path)
{
    if (passed_over[0] && strstr(path, passed_over)) return 0;
    atomic_fetch_add(&calls, 1);
    return atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1;
}

/* What is left of the call that was hit: 0, it is to be made after all; -1 with errno. */
static int strike(const char *call, const char *path)
{
    say_mark(call, path);
    if (fault_kind == TEST_FAULT_POWER) cut_power();
    if (fault_kind == TEST_FAULT_POWER || fault_kind == TEST_FAULT_KILL) {
        kill(getpid(), SIGKILL);
        pause();
    }
    errno = fault_kind == TEST_FAULT_EIO ? EIO : ENOSPC;
    return fault_kind == TEST_FAULT_SHORT ? 0 : -1;
}

static void enter(void)
{
    while (atomic_flag_test_and_set(&busy))
        ;
}

static void leave(void)
{
    atomic_flag_clear(&busy);
}

ssize_t write(int fd, const void *data, size_t count)
{
    struct stat s;
    char path[PATH_MAX];
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || s.st_nlink == 0) /* no file that stays */
        return syscall(SYS_write, fd, data, count);
    enter();
    note_write(fd, &s);
    ssize_t done = 0;
    if (hits(path_of(fd, path))) {
        if (count > 1) done = syscall(SYS_write, fd, data, count / 2);
        if (strike("write", path) != 0) done = -1;
    }
    int code = errno;
    leave();
    errno = code;
    return done ? done : syscall(SYS_write, fd, data, count);
}

int fsync(int fd)
{
    struct stat s;
    char path[PATH_MAX];
    enter();
    int r = hits(path_of(fd, path)) ? strike("fsync", path) : 0;
    if (r == 0) r = fstat(fd, &s); /* no test outlives its machine: disks need not be waited for */
    if (r == 0) note_sync(&s);
    int code = errno;
    leave();
    errno = code;
    return r;
}

int rename(const char *from, const char *to)
{
    enter();
    int r = hits(to) ? strike("rename", to) : 0;
    if (r == 0) note_rename(from, to);
    if (r == 0) r = (int)syscall(SYS_rename, from, to);
    int code = errno;
    leave();
    errno = code;
    return r;
}

int statvfs(const char *path, struct statvfs *out)
{
    int (*real)(const char *, struct statvfs *) =
        (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
    int r = real(path, out);
    const int64_t pretended = atomic_load(&room);
    if (r == 0 && pretended >= 0) out->f_bavail = (fsblkcnt_t)pretended / out->f_frsize;
    return r;
}
