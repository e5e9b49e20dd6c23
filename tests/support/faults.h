/* Disks that fail: the calls of a process that change files (write, fsync, rename) are counted, and one of
 * them is made to go wrong.
 *
 * A test program that is linked with this has its own calls watched, and its fsyncs only noted.  For programs
 * that must not know of it there is the same as a library, libfaults.so beside the test programs: under
 * LD_PRELOAD it reads TEST_FAULT=KIND:N:WORD:MARK, with KIND a word of test_fault_words, WORD one that the
 * paths hold that are not counted, and MARK a file that says afterwards which call was hit.  Programs that
 * such a process starts are left alone.
 */
#ifndef SIM_TEST_FAULTS_H
#define SIM_TEST_FAULTS_H

#include <stdint.h>

/* The n-th call ...
 *
 *   SHORT   a write takes half of the bytes and says so, as it may; other calls succeed
 *   EIO     a write takes half of the bytes and fails, other calls only fail
 *   ENOSPC  the same by another name
 *   KILL    a write takes half of the bytes, then the process is killed; other calls are not begun
 *   POWER   the same, and what was not made durable is lost: bytes since a file's last fsync,
 *           renames since the last fsync of their folder */
enum test_fault {
    TEST_FAULT_NONE,
    TEST_FAULT_SHORT,
    TEST_FAULT_EIO,
    TEST_FAULT_ENOSPC,
    TEST_FAULT_KILL,
    TEST_FAULT_POWER,
    TEST_FAULTS
};
extern const char
    *const test_fault_words[TEST_FAULTS]; /* "none", "short", "eio", "enospc", "kill", "power" */

/* The n-th call from now, once; n 0: none.  Returns how many were made since the last call of this function.
 */
int64_t test_fault_at(enum test_fault kind, int64_t n);

/* Every file system says from now that so many bytes are free; -1: the truth. */
void test_fault_room(int64_t free_bytes);

#endif
