#include "ranks_trial.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "support.h"

static const double limit_s = 60;
static char *words; /* of this process, shared with the parent */

void ranks_say(const char *text)
{
    if (words) snprintf(words, RANKS_WORDS, "%s", text);
}

static void put(const char *name, int value)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    setenv(name, text, 1);
}

static void set_place(enum meeting how, int rank, int size, int port, const char *folder)
{
    const int last = rank == size - 1;
    put("RANK", how == AS_TWO_OF_ONE_NUMBER && last ? 1 : rank);
    put("WORLD_SIZE", how == AS_OF_TWO_SIZES && last ? size + 1 : size);
    if (how == BY_FOLDER) {
        setenv("SIM_RANKS_FOLDER", folder, 1);
        setenv("SIM_RANKS_NAME", "trial", 1);
        return;
    }
    setenv("MASTER_ADDR", "localhost", 1);
    put("MASTER_PORT", port);
}

static int one_rank(int (*body)(struct sim_ranks *r, void *context), void *context)
{
    struct sim_ranks *r;
    if (sim_ranks_open(&r) != SIM_OK) {
        ranks_say(sim_error_text());
        return 3;
    }
    int code = body(r, context);
    sim_ranks_close(r, NULL);
    return code;
}

static int ended(pid_t *child, struct ranks_end *end)
{
    int status;
    if (*child == 0) return 1;
    if (waitpid(*child, &status, WNOHANG) != *child) return 0;
    *child = 0;
    end->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 1;
}

double ranks_trial_ends(enum meeting how, int size, int (*body)(struct sim_ranks *r, void *context),
                        void *context, struct ranks_end ends[RANKS_MOST])
{
    char folder[700];
    pid_t child[RANKS_MOST];
    const int port = test_free_port();
    const double started = sim_now_s();
    char(*shared)[RANKS_WORDS] = mmap(NULL, sizeof(char[RANKS_MOST][RANKS_WORDS]), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    snprintf(folder, sizeof folder, "%s", test_scratch());
    for (int i = 0; i < size; i++) {
        ends[i] = (struct ranks_end){.status = -1};
        child[i] = fork();
        ck_assert_int_ge(child[i], 0);
        if (child[i]) continue;
        words = shared[i];
        set_place(how, i, size, port, folder);
        _exit(one_rank(body, context));
    }
    for (int left = size; left && sim_now_s() - started < limit_s;) {
        left = 0;
        for (int i = 0; i < size; i++) left += !ended(&child[i], &ends[i]);
        if (left) nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    for (int i = 0; i < size; i++) {
        memcpy(ends[i].said, shared[i], RANKS_WORDS);
        if (!child[i]) continue;
        kill(child[i], SIGKILL);
        waitpid(child[i], NULL, 0);
    }
    munmap(shared, sizeof(char[RANKS_MOST][RANKS_WORDS]));
    return sim_now_s() - started;
}

void ranks_trial(enum meeting how, int size, int (*body)(struct sim_ranks *r, void *context), void *context)
{
    struct ranks_end ends[RANKS_MOST];
    ranks_trial_ends(how, size, body, context, ends);
    for (int i = 0; i < size; i++)
        ck_assert_msg(ends[i].status == 0, "rank %d of %d ended with %d: %s", i, size, ends[i].status,
                      ends[i].said);
}
