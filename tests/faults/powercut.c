// Writes down, in order and with its bytes, everything a program does to the files below one folder, so that a test
// can work out what a disk may hold after the power was cut at any moment. Preloaded into the program:
//
//   POWERCUT_FOLDER   the folder that is watched, without links in its path
//   POWERCUT_LOG      where the records go; outside of the folder
//   POWERCUT_CONTROL  16 bytes another process may change at any time: seconds the calendar is off (int64), and
//                     whether the disk is full (int64)
//
// One lock is held over each call and its record, so that the order in the log is the order on the disk. Calls that go
// to the kernel past the C library are not seen; a rename of that kind shows in the listing that the sync of its
// folder writes down.
#define _GNU_SOURCE
#define _LARGEFILE64_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct record {
    uint32_t length;    // of everything, this head included
    uint32_t kind;
    uint64_t file;      // inode
    uint64_t at;
    uint32_t name_length;
    uint32_t data_length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;
static char folder[PATH_MAX];
static size_t folder_length;
static const volatile int64_t *control;

__attribute__((constructor)) static void begin(void) {
    const char *watched = getenv("POWERCUT_FOLDER"), *log = getenv("POWERCUT_LOG");
    const char *hands = getenv("POWERCUT_CONTROL");
    if (hands) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, hands, O_RDONLY | O_CLOEXEC, 0);
        void *shared = file < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
        if (shared == MAP_FAILED) abort();
        control = shared;
        syscall(SYS_close, file);
    }
    if (!watched || !log) return;
    folder_length = strlen(watched);
    if (folder_length >= sizeof folder) abort();
    memcpy(folder, watched, folder_length + 1);
    int file = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_file = fcntl(file, F_DUPFD_CLOEXEC, 700);
    if (log_file < 0) abort();
    syscall(SYS_close, file);
}

static int is_full(void) { return control && control[1]; }

static int is_below(const char *path) {
    return log_file >= 0 && !strncmp(path, folder, folder_length)
        && (path[folder_length] == '/' || path[folder_length] == 0);
}

// Where an open file is, if it is below the folder.
static int watched(int file, char *path, struct stat *about) {
    if (log_file < 0 || file == log_file) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!is_below(path)) return 0;
    return !fstat(file, about) && (S_ISREG(about->st_mode) || S_ISDIR(about->st_mode));
}

// Makes a path absolute; the paths of the programs that are watched have no links and no dots in them.
static int named(int at, const char *path, char *whole) {
    if (path[0] == '/') {
        if (snprintf(whole, PATH_MAX, "%s", path) >= PATH_MAX) return 0;
        return is_below(whole);
    }
    char base[PATH_MAX];
    if (at == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
        if (length <= 0) return 0;
        base[length] = 0;
    }
    if (snprintf(whole, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
    return is_below(whole);
}

static void tell(char kind, uint64_t file, uint64_t at, const char *name, size_t name_length, const void *data,
                 size_t data_length) {
    size_t length = sizeof(struct record) + name_length + data_length;
    char *bytes = malloc(length);
    if (!bytes) abort();
    struct record head = {(uint32_t)length, (uint32_t)kind, file, at, (uint32_t)name_length, (uint32_t)data_length};
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, name, name_length);
    if (data_length) memcpy(bytes + sizeof head + name_length, data, data_length);
    if (syscall(SYS_write, log_file, bytes, length) != (long)length) abort();
    free(bytes);
}

static void tell_name(char kind, uint64_t file, const char *path) { tell(kind, file, 0, path, strlen(path), "", 0); }

static int no_space(void) {
    errno = ENOSPC;
    return -1;
}

// ---- names

static int open_watched(int at, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int writes = flags & (O_CREAT | O_TRUNC);
    if (!writes || log_file < 0 || !named(at, path, whole)) return (int)syscall(SYS_openat, at, path, flags, mode);
    struct stat about;
    pthread_mutex_lock(&lock);
    int is_new = fstatat(at, path, &about, AT_SYMLINK_NOFOLLOW) != 0;
    int file = is_new && is_full() ? no_space() : (int)syscall(SYS_openat, at, path, flags, mode);
    if (file >= 0 && !fstat(file, &about) && S_ISREG(about.st_mode)) {
        if (is_new) tell_name('C', about.st_ino, whole);
        else if (flags & O_TRUNC) tell('T', about.st_ino, 0, "", 0, "", 0);
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return file;
}

#define MODE                                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

int open(const char *path, int flags, ...) { MODE return open_watched(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_watched(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return open_watched(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return open_watched(at, path, flags, mode); }
int creat(const char *path, mode_t mode) {
    return open_watched(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int two_names(char kind, long call, int from_at, const char *from, int to_at, const char *to, int flags) {
    char both[2 * PATH_MAX], target[PATH_MAX];
    pthread_mutex_lock(&lock);
    int here = named(from_at, from, both) & named(to_at, to, target);
    int done = (int)syscall(call, from_at, from, to_at, to, flags);
    int kept = errno;
    if (!done && here) {
        size_t first = strlen(both) + 1, second = strlen(target);
        memcpy(both + first, target, second);
        tell(kind, 0, 0, both, first + second, "", 0);
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

int rename(const char *from, const char *to) {
    return two_names('R', SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from_at, const char *from, int to_at, const char *to) {
    return two_names('R', SYS_renameat2, from_at, from, to_at, to, 0);
}
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return two_names('R', SYS_renameat2, from_at, from, to_at, to, (int)flags);
}
int link(const char *from, const char *to) {
    return two_names('L', SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return two_names('L', SYS_linkat, from_at, from, to_at, to, flags);
}

static int one_name(char kind, long call, int at, const char *path, long rest) {
    char whole[PATH_MAX];
    pthread_mutex_lock(&lock);
    int here = named(at, path, whole);
    int done = here && kind == 'M' && is_full() ? no_space() : (int)syscall(call, at, path, rest);
    int kept = errno;
    if (!done && here) tell_name(kind, 0, whole);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

int unlink(const char *path) { return one_name('U', SYS_unlinkat, AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return one_name('U', SYS_unlinkat, at, path, flags); }
int rmdir(const char *path) { return one_name('U', SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR); }
int mkdir(const char *path, mode_t mode) { return one_name('M', SYS_mkdirat, AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return one_name('M', SYS_mkdirat, at, path, mode); }

// ---- bytes

static void tell_written(const struct stat *about, off_t at, const struct iovec *parts, int count, ssize_t written) {
    for (int part = 0; part < count && written > 0; part++) {
        size_t length = parts[part].iov_len < (size_t)written ? parts[part].iov_len : (size_t)written;
        tell('W', about->st_ino, (uint64_t)at, "", 0, parts[part].iov_base, length);
        at += (off_t)length;
        written -= (ssize_t)length;
    }
}

// Writes at a place, or where the file stands if `at` is negative.
static ssize_t write_watched(int file, const struct iovec *parts, int count, off_t at) {
    char path[PATH_MAX];
    struct stat about;
    if (!watched(file, path, &about)) {
        return at < 0 ? syscall(SYS_writev, file, parts, count)
                      : syscall(SYS_pwritev, file, parts, count, (long)at, 0L);
    }
    pthread_mutex_lock(&lock);
    ssize_t written;
    if (is_full()) written = no_space();
    else if (at < 0) written = syscall(SYS_writev, file, parts, count);
    else written = syscall(SYS_pwritev, file, parts, count, (long)at, 0L);
    int kept = errno;
    if (written > 0) tell_written(&about, at < 0 ? lseek(file, 0, SEEK_CUR) - written : at, parts, count, written);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return written;
}

ssize_t write(int file, const void *bytes, size_t length) {
    struct iovec part = {(void *)bytes, length};
    return write_watched(file, &part, 1, -1);
}
ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    struct iovec part = {(void *)bytes, length};
    return write_watched(file, &part, 1, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) { return pwrite(file, bytes, length, at); }
ssize_t writev(int file, const struct iovec *parts, int count) { return write_watched(file, parts, count, -1); }
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    return write_watched(file, parts, count, at);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
    return write_watched(file, parts, count, at);
}

// Copies that pass the program by would not be seen: programs know how to do without.
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
    (void)from, (void)from_at, (void)to, (void)to_at, (void)length, (void)flags;
    errno = ENOSYS;
    return -1;
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t length) {
    char path[PATH_MAX];
    struct stat about;
    if (!watched(to, path, &about)) return syscall(SYS_sendfile, to, from, at, length);
    errno = EINVAL;
    return -1;
}
ssize_t sendfile(int to, int from, off_t *at, size_t length) { return sendfile64(to, from, at, length); }

int ftruncate(int file, off_t length) {
    char path[PATH_MAX];
    struct stat about;
    if (!watched(file, path, &about)) return (int)syscall(SYS_ftruncate, file, length);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, file, length);
    int kept = errno;
    if (!done) tell('T', about.st_ino, (uint64_t)length, "", 0, "", 0);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}
int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }

// ---- onto the disk

// Writes down what a folder holds: each name with a zero byte after it, the number of its file, and another.
static void tell_listing(const char *path) {
    static char listing[1 << 20];
    size_t length = 0;
    DIR *names = opendir(path);
    if (!names) abort();
    for (struct dirent *entry; (entry = readdir(names));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        int written = snprintf(listing + length, sizeof listing - length, "%s%c%llu%c", entry->d_name, 0,
                               (unsigned long long)entry->d_ino, 0);
        length += (size_t)written;
        if (length + NAME_MAX + 32 > sizeof listing) abort();
    }
    closedir(names);
    tell('D', 0, 0, path, strlen(path), listing, length);
}

static int sync_watched(int file, long call) {
    char path[PATH_MAX];
    struct stat about;
    if (!watched(file, path, &about)) return (int)syscall(call, file);
    pthread_mutex_lock(&lock);
    // What a test wants to know is the order, not whether this machine's disk keeps its word.
    int done = 0, kept = errno;
    if (S_ISDIR(about.st_mode)) tell_listing(path);
    else tell('S', about.st_ino, 0, "", 0, "", 0);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

int fsync(int file) { return sync_watched(file, SYS_fsync); }
int fdatasync(int file) { return sync_watched(file, SYS_fdatasync); }

// ---- the calendar

int clock_gettime(clockid_t clock, struct timespec *time) {
    int done = (int)syscall(SYS_clock_gettime, clock, time);
    if (!done && control && clock == CLOCK_REALTIME) time->tv_sec += (time_t)control[0];
    return done;
}
