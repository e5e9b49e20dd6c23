#include "fibers.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
enum { STACK_BYTES = 256 << 10 };
#else
enum { STACK_BYTES = 64 << 10 };
#endif

#ifndef __x86_64__
#error "fibers are written for x86-64, like the CPU backend"
#endif

/* sim_fiber_step(&from, to): keeps what the calling convention promises to keep, swaps stacks, returns there.
 */
void sim_fiber_step(void **from, void *to);
__asm__(".text\n"
        ".globl sim_fiber_step\n"
        ".hidden sim_fiber_step\n"
        ".type sim_fiber_step, @function\n"
        "sim_fiber_step:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size sim_fiber_step, . - sim_fiber_step\n");

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* The lowest page stays unmapped: a stack that grows too far faults instead of writing into another. */
static int take_stack(struct sim_fiber *f)
{
    size_t guard = page_bytes();
    void *block =
        mmap(NULL, guard + STACK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED) return 0;
    if (mprotect((char *)block + guard, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        munmap(block, guard + STACK_BYTES);
        return 0;
    }
    f->stack = (char *)block + guard;
    return 1;
}

/* The first thing that runs on a fiber's stack. */
static _Thread_local struct sim_fiber_home *entering;
static void begin(void)
{
    struct sim_fiber_home *home = entering;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(NULL, &home->bottom, &home->size);
#endif
    home->body(home);
    __builtin_trap();
}

static void prepare(struct sim_fiber *f)
{
    /* Six registers and where to go, as sim_fiber_step leaves them; the zero ends a debugger's back trace and
     * puts the stack where a call would have put it. */
    void *frame[8] = {0};
    void (*first)(void) = begin;
    memcpy(&frame[6], &first, sizeof first);
    f->place = (char *)f->stack + STACK_BYTES - sizeof frame;
    memcpy(f->place, frame, sizeof frame);
}

int sim_fiber_enter(struct sim_fiber_home *home, struct sim_fiber *f)
{
    if (!f->stack && !take_stack(f)) return 0;
    if (!f->place) prepare(f);
    home->running = f;
    entering = home;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&home->fake, f->stack, STACK_BYTES);
#endif
    sim_fiber_step(&home->place, f->place);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(home->fake, NULL, NULL);
#endif
    return 1;
}

void sim_fiber_leave(struct sim_fiber_home *home)
{
    struct sim_fiber *f = home->running;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&f->fake, home->bottom, home->size);
#endif
    sim_fiber_step(&f->place, home->place);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(f->fake, &home->bottom, &home->size);
#endif
}

void sim_fiber_reset(struct sim_fiber *f)
{
#ifdef __SANITIZE_ADDRESS__
    if (f->stack) __asan_unpoison_memory_region(f->stack, STACK_BYTES); /* frames that never returned */
#endif
    f->place = f->fake = NULL;
}

void sim_fiber_close(struct sim_fiber *f)
{
    sim_fiber_reset(f);
    if (f->stack) munmap((char *)f->stack - page_bytes(), page_bytes() + STACK_BYTES);
    f->stack = NULL;
}
