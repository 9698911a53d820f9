/* Lets one call fail that writes to or syncs a file of a folder: for LD_PRELOAD.

   IO_FAULT_FOLDER  the folder's real path
   IO_FAULT_AT      which of the calls fails, from 1; 0: none
   IO_FAULT_ERROR   with which errno
   IO_FAULT_SYNCS   set: only syncs are counted
   IO_FAULT_LOG     a file: a line for each call that is counted, with its number, name, path and monotonic time

   It fails once. A caller that tries the same call again finds it well, which is what a disk does after a failed sync
   whose pages are gone. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long calls;

static int fails(int file, const char *call, int syncs) {
    const char *folder = getenv("IO_FAULT_FOLDER"), *at = getenv("IO_FAULT_AT"), *log = getenv("IO_FAULT_LOG");
    char link[64], path[PATH_MAX];
    int before = errno;
    if (!folder || !at || !log || (getenv("IO_FAULT_SYNCS") && !syncs)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder))) return 0;

    long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    int failing = number == atol(at);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int out = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    dprintf(out, "%ld %s %s %ld.%09ld%s\n", number, call, path, (long)now.tv_sec, now.tv_nsec, failing ? " FAILED" : "");
    close(out);
    errno = failing ? atoi(getenv("IO_FAULT_ERROR")) : before;
    return failing;
}

#define WRAPPED(result, name, syncs, parameters, ...)                                \
    result name parameters {                                                         \
        static result(*real) parameters;                                             \
        if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name);             \
        return fails(file, #name, syncs) ? -1 : real(__VA_ARGS__);                   \
    }

WRAPPED(ssize_t, write, 0, (int file, const void *data, size_t size), file, data, size)
WRAPPED(ssize_t, pwrite, 0, (int file, const void *data, size_t size, off_t at), file, data, size, at)
WRAPPED(ssize_t, pwrite64, 0, (int file, const void *data, size_t size, off64_t at), file, data, size, at)
WRAPPED(int, ftruncate, 0, (int file, off_t size), file, size)
WRAPPED(int, ftruncate64, 0, (int file, off64_t size), file, size)
WRAPPED(int, fsync, 1, (int file), file)
WRAPPED(int, fdatasync, 1, (int file), file)
