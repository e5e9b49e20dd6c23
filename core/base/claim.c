#include "claim.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define STALE_S 120.0
#define TOUCHES_PER_STALE 8 /* so that a server that is away for a while costs no claim */
#define TEXT_BYTES 320
#define MARK ".claim-"

struct sim_claim {
    char folder[PATH_MAX], name[128];
    int fd;
    long long generation;
    char text[TEXT_BYTES]; /* what the file holds */
    volatile sig_atomic_t *on_loss;
    atomic_int lost;
    int touching, ended; /* ended: under the lock */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static double stale_after_s(void)
{
    const char *text = getenv("SIM_CLAIM_STALE_S");
    double s = text ? strtod(text, NULL) : 0;
    return s > 0 ? s : STALE_S;
}

/* ------------------------------------------------------------------ which process */
struct holder {
    char state[8], host[72], boot[48]; /* state: "held" or "free" */
    long long pid, born, table; /* born: the kernel's start time; table: of processes (its namespace) */
};

/* When a process began, in the kernel's ticks: tells it from a later one of its number.  -1: there is none.
 */
static long long born_at(long long pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    char state = 0, *end = strrchr(text, ')'); /* the name in brackets may hold anything */
    long long born = -1;
    if (!end ||
        sscanf(end + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld",
               &state, &born) != 2)
        return -1;
    return state == 'Z' || state == 'X' ? -1 : born;
}

static void read_word(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    snprintf(out, size, "%s", "?");
    if (f && fgets(out, (int)size, f)) out[strcspn(out, " \n")] = 0;
    if (f) fclose(f);
}

static void this_process(struct holder *h)
{
    struct stat s;
    *h = (struct holder){.state = "held", .pid = getpid(), .table = -1};
    if (gethostname(h->host, sizeof h->host - 1) != 0 || !h->host[0]) strcpy(h->host, "?");
    for (char *p = h->host; *p; p++)
        if (isspace((unsigned char)*p)) *p = '_';
    read_word("/proc/sys/kernel/random/boot_id", h->boot, sizeof h->boot);
    if (stat("/proc/self/ns/pid", &s) == 0) h->table = (long long)s.st_ino;
    h->born = born_at(h->pid);
}

/* Every text has the same length, so that a file that is written over is never a mix of two. */
static void put_text(char text[TEXT_BYTES], const struct holder *h)
{
    char line[TEXT_BYTES];
    snprintf(line, sizeof line, "%s %s %lld %lld %s %lld", h->state, h->host, h->pid, h->born, h->boot,
             h->table);
    snprintf(text, TEXT_BYTES, "%-*s\n", TEXT_BYTES - 3, line);
}

static int read_text(struct holder *h, const char *text)
{
    return sscanf(text, "%7s %71s %lld %lld %47s %lld", h->state, h->host, &h->pid, &h->born, h->boot,
                  &h->table) == 6;
}

/* ------------------------------------------------------------------ what stands in the folder */
/* The generation of a file of this claim; 0: the file is none. */
static long long generation_of(const char *file, const char *name)
{
    size_t n = strlen(name);
    char *end;
    if (file[0] != '.' || strncmp(file + 1, name, n) != 0) return 0;
    if (strncmp(file + 1 + n, MARK, sizeof MARK - 1) != 0) return 0;
    const char *digits = file + n + sizeof MARK;
    if (!isdigit((unsigned char)*digits)) return 0;
    long long g = strtoll(digits, &end, 10);
    return *end ? 0 : g;
}

/* The highest generation, 0: none.  below > 0: removes the files of lower ones, which count no more. */
static sim_status scan(const char *folder, const char *name, long long below, long long *highest)
{
    DIR *d = opendir(folder);
    *highest = 0;
    if (!d) return sim_fail(SIM_EIO, "%s: the folder cannot be read: %s", folder, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        long long g = generation_of(e->d_name, name);
        if (g > *highest) *highest = g;
        if (g > 0 && g < below) unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return SIM_OK;
}

static void put_path(char out[PATH_MAX], const char *folder, const char *name, long long generation)
{
    snprintf(out, PATH_MAX, "%.3800s/.%s" MARK "%lld", folder, name, generation);
}

enum standing {
    FREE,
    HELD,
    OLD,
    GONE
}; /* OLD: held, if its touches are recent; GONE: no such file any more */

static enum standing look_at(const char *path, struct holder *h, struct timespec *touched)
{
    char text[TEXT_BYTES + 1];
    struct holder me;
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* opening makes NFS ask the server anew */
    if (fd < 0) return GONE;
    ssize_t n = read(fd, text, TEXT_BYTES);
    int failed = fstat(fd, &s) != 0;
    close(fd);
    if (failed) return GONE;
    *touched = s.st_mtim;
    text[n > 0 ? n : 0] = 0;
    if (!read_text(h, text)) {
        *h = (struct holder){.host = "?"}; /* just being made, where there are no hard links */
        return OLD;
    }
    if (strcmp(h->state, "held") != 0) return FREE;
    this_process(&me);
    if (strcmp(h->boot, me.boot) != 0 || h->table != me.table || me.table < 0) return OLD;
    return born_at(h->pid) == h->born && h->born >= 0 ? HELD : FREE;
}

static void say_who(char *who, const struct holder *h)
{
    if (who) snprintf(who, SIM_CLAIM_WHO_BYTES, "process %lld on %s", h->pid, h->host);
}

/* ------------------------------------------------------------------ one's own file */
/* A file of this process beside the claims, with its text; the path goes to `path`. */
static int make_own(const char *folder, const char *name, const char *text, char path[PATH_MAX])
{
    static atomic_uint number;
    unsigned long long nonce = 0;
    if (getrandom(&nonce, sizeof nonce, GRND_NONBLOCK) < 0) nonce = (unsigned long long)getpid();
    snprintf(path, PATH_MAX, "%.3800s/.%s.claiming-%llx-%u", folder, name, nonce,
             atomic_fetch_add(&number, 1));
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return -1;
    if (pwrite(fd, text, TEXT_BYTES - 1, 0) == TEXT_BYTES - 1 && fsync(fd) == 0) return fd;
    int code = errno;
    unlink(path);
    close(fd);
    errno = code ? code : ENOSPC;
    return -1;
}

/* Gives the file the claim's name.  1: done.  0: another was faster.  -1: cannot be, errno.  What link() says
 * may be untrue over NFS, whose answers get lost; the number of names is true. */
static int publish(int *fd, const char *own, const char *path, const char *text)
{
    struct stat s;
    int r = link(own, path), code = errno;
    if (fstat(*fd, &s) == 0 && s.st_nlink == 2) r = 0;
    unlink(own);
    if (r == 0) return 1;
    errno = code;
    if (code == EEXIST) return 0;
    if (code != EPERM && code != ENOTSUP && code != ENOSYS && code != EMLINK) return -1;
    int made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); /* a file system without hard links */
    if (made < 0) return errno == EEXIST ? 0 : -1;
    close(*fd);
    *fd = made;
    return pwrite(made, text, TEXT_BYTES - 1, 0) == TEXT_BYTES - 1 && fsync(made) == 0 ? 1 : -1;
}

static double seconds_between(const struct timespec *a, const struct timespec *b)
{
    return (double)(b->tv_sec - a->tv_sec) + 1e-9 * (double)(b->tv_nsec - a->tv_nsec);
}

/* Files that processes left which died between making and naming theirs. */
static void remove_strays(const char *folder, const char *name, const struct timespec *now)
{
    DIR *d = opendir(folder);
    char prefix[192];
    struct stat s;
    int n = snprintf(prefix, sizeof prefix, ".%s.claiming-", name);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, prefix, (size_t)n) == 0 && fstatat(dirfd(d), e->d_name, &s, 0) == 0 &&
            seconds_between(&s.st_mtim, now) > stale_after_s())
            unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
}

/* ------------------------------------------------------------------ while it is held */
int sim_claim_holds(struct sim_claim *c)
{
    long long highest;
    if (atomic_load(&c->lost)) return 0;
    /* A folder that cannot be read at the moment says nothing; a lower number says that somebody removed
     * ours. */
    if (scan(c->folder, c->name, 0, &highest) != SIM_OK || highest == c->generation) return 1;
    atomic_store(&c->lost, 1);
    if (c->on_loss) *c->on_loss = 1;
    return 0;
}

static void *touch_now_and_then(void *self)
{
    struct sim_claim *c = self;
    struct timespec until;
    double pause = stale_after_s() / TOUCHES_PER_STALE;
    pthread_mutex_lock(&c->lock);
    while (!c->ended) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        double s = (double)until.tv_sec + 1e-9 * (double)until.tv_nsec + pause;
        until.tv_sec = (time_t)s, until.tv_nsec = (long)(1e9 * (s - (double)(time_t)s));
        if (pthread_cond_timedwait(&c->wake, &c->lock, &until) != ETIMEDOUT) continue;
        pthread_mutex_unlock(&c->lock);
        if (sim_claim_holds(c) && pwrite(c->fd, c->text, TEXT_BYTES - 1, 0) == TEXT_BYTES - 1) fsync(c->fd);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Signals that stop a run are waited for elsewhere. */
static void start_touching(struct sim_claim *c)
{
    sigset_t all, before;
    pthread_condattr_t attributes;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    c->touching = pthread_create(&c->thread, NULL, touch_now_and_then, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sim_claim_release(struct sim_claim **claim)
{
    struct sim_claim *c = *claim;
    struct holder me;
    *claim = NULL;
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    c->ended = 1;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->touching) pthread_join(c->thread, NULL);
    this_process(&me);
    strcpy(me.state, "free");
    put_text(c->text, &me);
    if (pwrite(c->fd, c->text, TEXT_BYTES - 1, 0) == TEXT_BYTES - 1) fsync(c->fd);
    close(c->fd);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    free(c);
}

/* ------------------------------------------------------------------ taking it */
/* Where the claim stands now.  *generation: that of the file that counts. */
static sim_status judge(const char *folder, const char *name, const struct timespec *now,
                        long long *generation, int *held, char *who)
{
    char path[PATH_MAX];
    struct holder h;
    struct timespec touched;
    *held = 0;
    if (who) *who = 0;
    for (int tries = 0; tries < 100;
         tries++) { /* a file that goes while we look was replaced by a higher one */
        SIM_TRY(scan(folder, name, 0, generation));
        if (!*generation) return SIM_OK;
        put_path(path, folder, name, *generation);
        enum standing s = look_at(path, &h, &touched);
        if (s == GONE) continue;
        if (s == OLD && seconds_between(&touched, now) <= stale_after_s()) s = HELD;
        *held = s == HELD;
        if (*held) say_who(who, &h);
        return SIM_OK;
    }
    return sim_fail(SIM_EIO, "%s: its claims cannot be read: %s", folder, strerror(errno));
}

/* One try with a file of our own at hand, whose time is the server's now.  *won 0: look again. */
static sim_status try_to_take(struct sim_claim *c, const char *own, const struct timespec *now, int *won,
                              int *held, char *who)
{
    char path[PATH_MAX];
    long long highest;
    *won = 0;
    SIM_TRY(judge(c->folder, c->name, now, &highest, held, who));
    if (*held) return SIM_OK;
    c->generation = highest + 1;
    put_path(path, c->folder, c->name, c->generation);
    int r = publish(&c->fd, own, path, c->text);
    if (r < 0)
        return sim_fail(SIM_EIO, "%s: the work here cannot be claimed: %s", c->folder, strerror(errno));
    if (r == 0) return SIM_OK;
    /* Our number may be an old one that was removed since we looked: then a higher one stands there. */
    SIM_TRY(scan(c->folder, c->name, 0, &highest));
    if (highest > c->generation) {
        unlink(path);
        return SIM_OK;
    }
    *won = 1;
    remove_strays(c->folder, c->name, now);
    return scan(c->folder, c->name, c->generation, &highest);
}

static sim_status take(struct sim_claim *c, int *held, char *who)
{
    char own[PATH_MAX];
    struct stat s;
    struct holder me;
    int won = 0;
    *held = 0;
    this_process(&me);
    put_text(c->text, &me);
    while (!won && !*held) {
        if (c->fd >= 0) close(c->fd);
        c->fd = make_own(c->folder, c->name, c->text, own);
        if (c->fd < 0 || fstat(c->fd, &s) != 0)
            return sim_fail(SIM_EIO, "%s: the work here cannot be claimed: %s", c->folder, strerror(errno));
        sim_status status = try_to_take(c, own, &s.st_mtim, &won, held, who);
        if (!won) unlink(own);
        SIM_TRY(status);
    }
    return SIM_OK;
}

sim_status sim_claim_take(struct sim_claim **out, const char *folder, const char *name, char *who,
                          volatile sig_atomic_t *on_loss)
{
    int held = 0;
    *out = NULL;
    if (strlen(name) > 100 || strchr(name, '/') || strlen(folder) > 3800)
        return sim_fail(SIM_EINVAL, "%.200s/%.120s: no name for a claim", folder, name);
    struct sim_claim *c = calloc(1, sizeof *c);
    if (!c) return sim_fail(SIM_ENOMEM, "%s: no memory to claim the work here", folder);
    c->fd = -1, c->on_loss = on_loss;
    snprintf(c->folder, sizeof c->folder, "%s", folder);
    snprintf(c->name, sizeof c->name, "%s", name);
    sim_status status = take(c, &held, who);
    if (status == SIM_OK && !held) {
        start_touching(c);
        *out = c;
        return SIM_OK;
    }
    if (c->fd >= 0) close(c->fd);
    free(c);
    return status;
}

sim_status sim_claim_wait(struct sim_claim **out, const char *folder, const char *name, double seconds)
{
    char who[SIM_CLAIM_WHO_BYTES];
    struct timespec pause = {0, 2000000};
    double until = sim_now_s() + seconds;
    for (;;) {
        SIM_TRY(sim_claim_take(out, folder, name, who, NULL));
        if (*out) return SIM_OK;
        if (sim_now_s() >= until)
            return sim_fail(SIM_EIO, "%s: %s has been held by %s for more than %.0f seconds", folder, name,
                            who, seconds);
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < 200000000) pause.tv_nsec *= 2;
    }
}

sim_status sim_claim_look(const char *folder, const char *name, int *held, char *who)
{
    struct timespec now; /* ours, for want of the server's: to look must not write */
    long long generation;
    clock_gettime(CLOCK_REALTIME, &now);
    return judge(folder, name, &now, &generation, held, who);
}
