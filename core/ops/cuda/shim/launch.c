#include "launch.h"

#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fibers.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

enum { MAX_THREADS = 1024, MAX_WARPS = MAX_THREADS / SIM_SHIM_WARP, MAX_ARRAYS = 32, GAP_BYTES = 64 };
/* Threads of a launch from which on the host's threads share its blocks; fewer are done before they all wake.
 */
enum { WORTH_SHARING = 16384 };

enum state { NOT_STARTED, RUNNING, READY, WAITING, ENDED };

/* One thread of the block that is being run. */
struct thread {
    enum state state;
    struct sim_fiber *fiber; /* that it waits on */
    enum sim_shim_meeting what;
    const char *file; /* where it waits */
    int line;
    uint32_t mask;
    int from;
    uint64_t given, brought;
};

struct shared_array {
    const void *site;
    void *at;
};

/* What one host thread needs to run blocks.  Kept from launch to launch. */
struct machine {
    struct machine *next; /* in the list of idle ones */
    struct sim_fiber_home home;
    struct sim_fiber fibers[MAX_THREADS];
    struct sim_fiber *idle[MAX_THREADS]; /* fibers that carry no waiting thread */
    int idle_count;

    const struct sim_shim_launch *launch;
    int threads, started, ended, at_block;
    int current, falling;
    struct thread thread[MAX_THREADS];
    uint32_t arrived[MAX_WARPS]; /* lanes waiting at a warp's meeting */
    short ready[MAX_THREADS];    /* ring of threads that may go on */
    int ready_first, ready_count;

    struct shared_array arrays[MAX_ARRAYS];
    int array_count;
    size_t shared_used, shared_asked; /* with and without the room between arrays */
    void *dynamic;
    int broken; /* the block failed: its threads are abandoned */
    char sentence[1024];
    _Alignas(128) unsigned char shared[SIM_SHIM_SHARED_BYTES + (MAX_ARRAYS + 2) * 2 * GAP_BYTES];
};

__thread struct sim_shim_index sim_shim_thread, sim_shim_block, sim_shim_block_size, sim_shim_grid_size;
static __thread struct machine *machine;

/* ------------------------------------------------------------------ machines, one for each host thread at
 * work */

static struct machine *idle_machines;
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;

/* All fibers idle, whatever they were doing. */
static void machine_forget(struct machine *m)
{
    for (int i = 0; i < MAX_THREADS; i++) {
        sim_fiber_reset(&m->fibers[i]);
        m->idle[i] = &m->fibers[MAX_THREADS - 1 - i];
    }
    m->idle_count = MAX_THREADS;
}

static struct machine *machine_take(void)
{
    pthread_mutex_lock(&idle_lock);
    struct machine *m = idle_machines;
    if (m) idle_machines = m->next;
    pthread_mutex_unlock(&idle_lock);
    if (m) return m;
    m = aligned_alloc(128, (sizeof *m + 127) / 128 * 128);
    if (!m) return NULL;
    memset(m, 0, sizeof *m);
    ASAN_POISON_MEMORY_REGION(m->shared, sizeof m->shared);
    machine_forget(m);
    return m;
}

static void machine_put(struct machine *m)
{
    pthread_mutex_lock(&idle_lock);
    m->next = idle_machines;
    idle_machines = m;
    pthread_mutex_unlock(&idle_lock);
}

static void fail(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct machine *m, const char *format, ...)
{
    if (m->broken) return;
    m->broken = 1;
    int used = snprintf(m->sentence, sizeof m->sentence, "kernel %s, block (%u, %u, %u): ", m->launch->kernel,
                        sim_shim_block.x, sim_shim_block.y, sim_shim_block.z);
    if (used < 0 || used >= (int)sizeof m->sentence) return;
    va_list args;
    va_start(args, format);
    vsnprintf(m->sentence + used, sizeof m->sentence - (size_t)used, format, args);
    va_end(args);
}

/* ------------------------------------------------------------------ shared memory */

static void *take_shared(struct machine *m, size_t bytes)
{
    size_t at = m->shared_used + GAP_BYTES, end = at + (bytes + GAP_BYTES - 1) / GAP_BYTES * GAP_BYTES;
    m->shared_asked += bytes;
    if (m->shared_asked > SIM_SHIM_SHARED_BYTES || end > sizeof m->shared) return NULL;
    ASAN_UNPOISON_MEMORY_REGION(m->shared + at, bytes);
    memset(m->shared + at, 0xff, bytes);
    m->shared_used = end;
    return m->shared + at;
}

void *sim_shim_dynamic_shared(void)
{
    return machine->dynamic;
}

/* A block that failed leaves at once, whatever its thread was doing. */
static _Noreturn void abandon(struct machine *m)
{
    for (;;) sim_fiber_leave(&m->home);
}

void *sim_shim_shared(const void *site, size_t bytes, const char *name)
{
    struct machine *m = machine;
    for (int i = 0; i < m->array_count; i++)
        if (m->arrays[i].site == site) return m->arrays[i].at;
    void *at = m->array_count < MAX_ARRAYS ? take_shared(m, bytes) : NULL;
    if (at) m->arrays[m->array_count++] = (struct shared_array){site, at};
    if (!at) {
        fail(m,
             "no room for shared array %s of %zu bytes: with it %zu bytes in at most %d arrays would be "
             "needed, "
             "and an sm_80 has %d for a block",
             name, bytes, m->shared_asked, MAX_ARRAYS, SIM_SHIM_SHARED_BYTES);
        abandon(m);
    }
    return at;
}

/* ------------------------------------------------------------------ threads and where they meet */

static const char *const meeting_names[] = {"__syncthreads", "__syncwarp", "a shuffle", "a ballot"};

/* The i-th thread in the order of running. */
static int in_order(const struct machine *m, int i)
{
    return m->falling ? m->threads - 1 - i : i;
}

static void go_on_as(struct machine *m, int t)
{
    const unsigned *size = m->launch->block;
    m->current = t;
    m->thread[t].state = RUNNING;
    sim_shim_thread = (struct sim_shim_index){(unsigned)t % size[0], (unsigned)t / size[0] % size[1],
                                              (unsigned)t / size[0] / size[1]};
}

int sim_shim_thread_number(void)
{
    return machine->current;
}

/* What runs on every fiber: threads not yet started, one after the other.  A thread that has to wait takes
 * its fiber with it, and the next is started on another; kernels without barriers stay on one. */
static void fiber_body(struct sim_fiber_home *home)
{
    struct machine *m = machine;
    for (;;) {
        while (m->started < m->threads) {
            int t = in_order(m, m->started++);
            m->thread[t].fiber = home->running;
            go_on_as(m, t);
            m->launch->thread(m->launch->arguments);
            m->thread[t].state = ENDED;
            m->ended++;
        }
        m->idle[m->idle_count++] = home->running;
        sim_fiber_leave(home);
    }
}

static struct thread *arrive(struct machine *m, enum sim_shim_meeting what, const char *file, int line)
{
    struct thread *t = &m->thread[m->current];
    t->what = what;
    t->file = file;
    t->line = line;
    return t;
}

static void wait_here(struct machine *m, struct thread *t)
{
    t->state = WAITING;
    sim_fiber_leave(&m->home);
}

static void make_ready(struct machine *m, int t)
{
    m->thread[t].state = READY;
    m->ready[(m->ready_first + m->ready_count++) % MAX_THREADS] = (short)t;
}

void sim_shim_meet_block(const char *file, int line)
{
    struct machine *m = machine;
    struct thread *me = arrive(m, SIM_MEET_BLOCK, file, line);
    if (++m->at_block < m->threads) {
        wait_here(m, me);
        return;
    }
    m->at_block = 0;
    for (int i = 0; i < m->threads; i++) {
        int t = in_order(m, i);
        if (m->thread[t].file != file || m->thread[t].line != line) {
            fail(m, "thread %d is at the __syncthreads of %s:%d while thread %d is at that of %s:%d",
                 m->current, file, line, t, m->thread[t].file, m->thread[t].line);
            abandon(m);
        }
        if (t != m->current) make_ready(m, t);
    }
}

/* All lanes of `wanted` are there: hands each what it came for.  Returns 0 where that cannot be. */
static int exchange(struct machine *m, int first, uint32_t wanted)
{
    uint32_t ballot = 0;
    for (int i = 0; i < SIM_SHIM_WARP; i++)
        if (wanted >> i & 1u && m->thread[first + i].given) ballot |= 1u << i;
    for (int i = 0; i < SIM_SHIM_WARP; i++) {
        if (!(wanted >> i & 1u)) continue;
        struct thread *t = &m->thread[first + i];
        t->brought = ballot;
        if (t->what != SIM_MEET_SHUFFLE) continue;
        if (!(wanted >> t->from & 1u)) {
            fail(m, "thread %d shuffles at %s:%d from lane %d, which %s", first + i, t->file, t->line,
                 t->from, t->mask >> t->from & 1u ? "this block does not have" : "is not in the mask");
            return 0;
        }
        t->brought = m->thread[first + t->from].given;
    }
    return 1;
}

uint64_t sim_shim_meet_warp(enum sim_shim_meeting what, uint32_t mask, uint64_t given, int from,
                            const char *file, int line)
{
    struct machine *m = machine;
    struct thread *me = arrive(m, what, file, line);
    int warp = m->current / SIM_SHIM_WARP, first = warp * SIM_SHIM_WARP, lane = m->current % SIM_SHIM_WARP;
    int lanes = m->threads - first < SIM_SHIM_WARP ? m->threads - first : SIM_SHIM_WARP;
    /* Lanes that a block of an odd size lacks are not waited for, like on a GPU. */
    uint32_t wanted = mask & (uint32_t)(((uint64_t)1 << lanes) - 1);
    if (!(mask >> lane & 1u)) {
        fail(m, "thread %d comes to %s at %s:%d with mask 0x%08x, which leaves out its own lane %d",
             m->current, meeting_names[what], file, line, mask, lane);
        abandon(m);
    }
    me->mask = mask;
    me->given = given;
    me->from = from;
    m->arrived[warp] |= 1u << lane;
    int all = (m->arrived[warp] & wanted) == wanted;
    for (int i = 0; all && i < lanes; i++) {
        const struct thread *t = &m->thread[first + i];
        if (wanted >> i & 1u) all = t->what == what && t->mask == mask && t->file == file && t->line == line;
    }
    if (!all) {
        wait_here(m, me);
        return me->brought;
    }
    if (!exchange(m, first, wanted)) abandon(m);
    m->arrived[warp] &= ~wanted;
    for (int i = 0; i < m->threads && i < SIM_SHIM_WARP; i++) {
        int other = m->falling ? SIM_SHIM_WARP - 1 - i : i;
        if (wanted >> other & 1u && other != lane) make_ready(m, first + other);
    }
    return me->brought;
}

/* Nothing can go on, but threads wait: says who, where. */
static void fail_diverged(struct machine *m)
{
    char text[800];
    int used = 0, groups = 0;
    for (int t = 0; t < m->threads; t++) {
        const struct thread *a = &m->thread[t];
        if (a->state != WAITING) continue;
        int first = 1, count = 0;
        for (int u = 0; u < m->threads; u++) {
            const struct thread *b = &m->thread[u];
            if (b->state != WAITING || b->what != a->what || b->file != a->file || b->line != a->line)
                continue;
            if (u < t) first = 0;
            count++;
        }
        if (!first || groups++ == 4 || used >= (int)sizeof text - 160) continue;
        used += snprintf(text + used, sizeof text - (size_t)used, "%d (thread %d%s) at %s of %.60s:%d, ",
                         count, t, count > 1 ? " the first" : "", meeting_names[a->what], a->file, a->line);
    }
    fail(m, "its threads wait for each other for ever: %s%d of %d have ended", text, m->ended, m->threads);
}

/* ------------------------------------------------------------------ blocks */

static void run_block(struct machine *m)
{
    m->started = m->ended = m->at_block = m->ready_first = m->ready_count = m->array_count = m->broken = 0;
    for (int t = 0; t < m->threads; t++) m->thread[t].state = NOT_STARTED;
    memset(m->arrived, 0, sizeof m->arrived);
    ASAN_POISON_MEMORY_REGION(m->shared, m->shared_used);
    m->shared_used = m->shared_asked = 0;
    m->dynamic = m->launch->shared_bytes ? take_shared(m, m->launch->shared_bytes) : NULL;

    while (!m->broken) {
        struct sim_fiber *f;
        if (m->started < m->threads) {
            f = m->idle[--m->idle_count];
        } else if (m->ready_count > 0) {
            int t = m->ready[m->ready_first];
            m->ready_first = (m->ready_first + 1) % MAX_THREADS;
            m->ready_count--;
            go_on_as(m, t);
            f = m->thread[t].fiber;
        } else {
            break;
        }
        if (!sim_fiber_enter(&m->home, f)) fail(m, "no memory for the stack of a thread");
    }
    if (!m->broken && m->ended < m->threads) fail_diverged(m);
    if (m->broken) machine_forget(m);
}

static sim_status check_launch(const struct sim_shim_launch *l)
{
    const unsigned *g = l->grid, *b = l->block;
    uint64_t threads = (uint64_t)b[0] * b[1] * b[2];
    if (g[0] == 0 || g[1] == 0 || g[2] == 0 || threads == 0)
        return sim_fail(SIM_EINVAL,
                        "kernel %s: a grid of %u x %u x %u blocks of %u x %u x %u threads is empty",
                        l->kernel, g[0], g[1], g[2], b[0], b[1], b[2]);
    if (g[0] > INT_MAX || g[1] > 65535 || g[2] > 65535)
        return sim_fail(
            SIM_EINVAL,
            "kernel %s: a grid of %u x %u x %u blocks; at most %d x 65535 x 65535 can be launched", l->kernel,
            g[0], g[1], g[2], INT_MAX);
    if (threads > MAX_THREADS || b[2] > 64)
        return sim_fail(
            SIM_EINVAL,
            "kernel %s: a block of %u x %u x %u threads; at most %d, and 64 of the last, can be launched",
            l->kernel, b[0], b[1], b[2], MAX_THREADS);
    if (l->shared_bytes > SIM_SHIM_SHARED_BYTES)
        return sim_fail(SIM_EINVAL,
                        "kernel %s: %zu bytes of dynamic shared memory; an sm_80 has %d for a block",
                        l->kernel, l->shared_bytes, SIM_SHIM_SHARED_BYTES);
    return SIM_OK;
}

sim_status sim_shim_run(const struct sim_shim_launch *l)
{
    SIM_TRY(check_launch(l));
    const char *order = getenv("SIM_SHIM_ORDER");
    const int falling = order && strcmp(order, "falling") == 0;
    const int64_t blocks = (int64_t)l->grid[0] * l->grid[1] * l->grid[2];
    const int64_t threads = (int64_t)l->block[0] * l->block[1] * l->block[2];
    int64_t broken_block = INT64_MAX; /* the first of those that failed */
    char sentence[sizeof machine->sentence] = "";

#pragma omp parallel if (blocks > 1 && blocks * threads >= WORTH_SHARING)
    {
        struct machine *m = machine = machine_take();
        if (m) {
            m->launch = l;
            m->threads = (int)threads;
            m->falling = falling;
            m->home.body = fiber_body;
            sim_shim_block_size = (struct sim_shim_index){l->block[0], l->block[1], l->block[2]};
            sim_shim_grid_size = (struct sim_shim_index){l->grid[0], l->grid[1], l->grid[2]};
        }
#pragma omp for schedule(dynamic, 4)
        for (int64_t i = 0; i < blocks; i++) {
            int64_t first_broken;
#pragma omp atomic read
            first_broken = broken_block;
            if (i > first_broken) continue;
            sim_shim_block =
                (struct sim_shim_index){(unsigned)(i % l->grid[0]), (unsigned)(i / l->grid[0] % l->grid[1]),
                                        (unsigned)(i / l->grid[0] / l->grid[1])};
            if (m) run_block(m);
            if (m && !m->broken) continue;
#pragma omp critical(sim_shim_broken)
            if (i < broken_block) {
#pragma omp atomic write
                broken_block = i;
                if (m)
                    memcpy(sentence, m->sentence, sizeof sentence);
                else
                    snprintf(sentence, sizeof sentence, "kernel %s: no memory to run it in", l->kernel);
            }
        }
        if (m) machine_put(m);
        machine = NULL;
    }
    return broken_block == INT64_MAX ? SIM_OK : sim_fail(SIM_ELIB, "%s", sentence);
}
