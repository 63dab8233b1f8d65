/* Calls of the C library that can be told to fail, for tests: loaded with LD_PRELOAD.
 *
 * trust_arm(call, nth, times, error, signal): of the calls of that kind made from now on, the nth
 * fails with `error` (and every later one, if times is 0), or a signal is raised before it is made.
 * trust_count(call) returns how many were made since trust_arm. Calls on standard error are not
 * counted, so that messages arrive.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ, PREAD, WRITE, PWRITE, FSYNC, RENAME, CLOSE, FTRUNCATE, LSEEK, MMAP, OPEN, UNLINK, KINDS };
static const char *NAMES[KINDS] = {"read",  "pread",     "write", "pwrite", "fsync", "rename",
                                   "close", "ftruncate", "lseek", "mmap",   "open",  "unlink"};
static volatile long made[KINDS];
static volatile int armed = -1, fault, with_signal, active;
static volatile long nth, times;

static int kind_of(const char *name) {
    for (int kind = 0; kind < KINDS; kind++)
        if (!strcmp(name, NAMES[kind])) return kind;
    return -1;
}

int trust_arm(const char *call, long which, long how_often, int error, int signal_number) {
    for (int kind = 0; kind < KINDS; kind++) made[kind] = 0;
    armed = kind_of(call);
    nth = which;
    times = how_often;
    fault = error;
    with_signal = signal_number;
    active = 1;
    return armed >= 0;
}

void trust_disarm(void) { active = 0; }

long trust_count(const char *call) { return made[kind_of(call)]; }

/* Returns whether this call is to fail. */
static int strikes(int kind, int descriptor) {
    if (!active || descriptor == 2) return 0;
    long number = __sync_add_and_fetch(&made[kind], 1);
    if (kind != armed || number < nth) return 0;
    if (times && number >= nth + times) return 0;
    if (with_signal) {
        if (number == nth) raise(with_signal);
        return 0;
    }
    errno = fault;
    return 1;
}

#define REAL(type, name, ...)                                            \
    static type (*real)(__VA_ARGS__);                                    \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);

ssize_t read(int fd, void *data, size_t size) {
    REAL(ssize_t, read, int, void *, size_t)
    return strikes(READ, fd) ? -1 : real(fd, data, size);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    REAL(ssize_t, pread, int, void *, size_t, off_t)
    return strikes(PREAD, fd) ? -1 : real(fd, data, size, at);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    REAL(ssize_t, pread64, int, void *, size_t, off64_t)
    return strikes(PREAD, fd) ? -1 : real(fd, data, size, at);
}
ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t)
    return strikes(WRITE, fd) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
    return strikes(PWRITE, fd) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
    return strikes(PWRITE, fd) ? -1 : real(fd, data, size, at);
}
int fsync(int fd) {
    REAL(int, fsync, int)
    return strikes(FSYNC, fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(int, fdatasync, int)
    return strikes(FSYNC, fd) ? -1 : real(fd);
}
int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *)
    return strikes(RENAME, -1) ? -1 : real(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(int, renameat, int, const char *, int, const char *)
    return strikes(RENAME, -1) ? -1 : real(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned)
    return strikes(RENAME, -1) ? -1 : real(a, from, b, to, flags);
}
int close(int fd) {
    REAL(int, close, int)
    int failed = strikes(CLOSE, fd), error = errno;
    int result = real(fd); /* as on Linux: the descriptor is gone, whatever close says */
    if (!failed) return result;
    errno = error;
    return -1;
}
int ftruncate(int fd, off_t size) {
    REAL(int, ftruncate, int, off_t)
    return strikes(FTRUNCATE, fd) ? -1 : real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    REAL(int, ftruncate64, int, off64_t)
    return strikes(FTRUNCATE, fd) ? -1 : real(fd, size);
}
off_t lseek(int fd, off_t at, int whence) {
    REAL(off_t, lseek, int, off_t, int)
    return strikes(LSEEK, fd) ? -1 : real(fd, at, whence);
}
off64_t lseek64(int fd, off64_t at, int whence) {
    REAL(off64_t, lseek64, int, off64_t, int)
    return strikes(LSEEK, fd) ? -1 : real(fd, at, whence);
}
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    REAL(void *, mmap, void *, size_t, int, int, int, off_t)
    if (fd >= 0 && strikes(MMAP, fd)) return MAP_FAILED;
    return real(at, size, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset) {
    REAL(void *, mmap64, void *, size_t, int, int, int, off64_t)
    if (fd >= 0 && strikes(MMAP, fd)) return MAP_FAILED;
    return real(at, size, protection, flags, fd, offset);
}
int unlink(const char *path) {
    REAL(int, unlink, const char *)
    return strikes(UNLINK, -1) ? -1 : real(path);
}

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    return strikes(OPEN, -1) ? -1 : real(path, flags, mode);
}
#define OPENING(name)                                                    \
    int name(const char *path, int flags, ...) {                         \
        static int (*real)(const char *, int, ...);                      \
        if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                    \
        return opened(real, path, flags, mode);                          \
    }
OPENING(open)
OPENING(open64)
