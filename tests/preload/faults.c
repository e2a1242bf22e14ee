/* Stands between a program and the system (LD_PRELOAD): counts the calls by which files change, or the allocations, and
 * has something happen at the n-th. What: the environment's SIGNET_FAULT, "KIND ACTION ERRNO N":
 *     files kill 0 7       the process is killed before its 7th call
 *     files tear 0 7       the same, but the first half of what the call was to write is written (whole pages)
 *     files once 5 7       the 7th call fails with errno 5
 *     files on 28 7        the 7th call and all later ones fail with errno 28 (removals do not: a full disk allows them)
 *     memory once 12 7     the 7th allocation of the program itself or of LMDB fails
 *     files count 0 0      nothing happens
 * SIGNET_FAULT_NOTE names a file that takes one line, "COUNT NAME": how many calls were made when something happened,
 * and of which name; or at the end of the process, how many in all, and "-".
 * What is written to the standard streams does not count. The real calls go to the kernel directly, so that nothing
 * here allocates. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096

enum { COUNT, KILL, TEAR, ONCE, ON };

static struct {
    bool files, memory;
    int action, errnum;
    unsigned long at;
    const char *note;
} plan;
static atomic_ulong made;

/* Where the program's own code lies, and LMDB's. */
static struct {
    uintptr_t from, to;
} code[8];
static int ncode;

static int note_code(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size, (void)context;
    if (info->dlpi_name[0] != '\0' && !strstr(info->dlpi_name, "liblmdb")) return 0;
    for (int i = 0; i < info->dlpi_phnum && ncode < 8; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) continue;
        code[ncode].from = info->dlpi_addr + segment->p_vaddr;
        code[ncode].to = code[ncode].from + segment->p_memsz;
        ncode++;
    }
    return 0;
}

__attribute__((constructor)) static void read_plan(void)
{
    static const char *const actions[] = {"count", "kill", "tear", "once", "on"};
    char kind[16], action[16];
    const char *text = getenv("SIGNET_FAULT");
    if (!text || sscanf(text, "%15s %15s %d %lu", kind, action, &plan.errnum, &plan.at) != 4) return;
    for (int i = 0; i < 5; i++)
        if (strcmp(action, actions[i]) == 0) plan.action = i;
    plan.note = getenv("SIGNET_FAULT_NOTE");
    dl_iterate_phdr(note_code, NULL);
    plan.files = strcmp(kind, "files") == 0;
    plan.memory = strcmp(kind, "memory") == 0;
}

static void note(const char *name, int how)
{
    char line[64];
    if (!plan.note) return;
    int n = snprintf(line, sizeof line, "%lu %s\n", atomic_load(&made), name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, plan.note, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0666);
    if (fd < 0) return;
    syscall(SYS_write, fd, line, (size_t)n);
    syscall(SYS_close, fd);
}

/* What a child met is not written over. */
__attribute__((destructor)) static void note_end(void)
{
    if ((plan.files || plan.memory) && (plan.action == COUNT || atomic_load(&made) < plan.at))
        note("-", O_EXCL);
}

/* Counts a call. True: it is to fail, errno is set. *tear: it is to be done by half, then die() is called. */
static bool meets(const char *name, bool *tear)
{
    unsigned long number = atomic_fetch_add(&made, 1) + 1;
    bool now = plan.action == ON ? number >= plan.at : number == plan.at;
    if (!now || plan.action == COUNT) return false;
    if (number == plan.at) note(name, O_TRUNC);
    if (plan.action == TEAR && tear) {
        *tear = true;
        return false;
    }
    if (plan.action == KILL || plan.action == TEAR) kill(getpid(), SIGKILL);
    errno = plan.errnum;
    return true;
}

static bool fails(const char *name)
{
    return plan.files && meets(name, NULL);
}

static bool removal_fails(const char *name)
{
    return fails(name) && plan.action != ON;
}

/* The first half of a write, in whole pages. */
static void write_half(int fd, const char *bytes, size_t nbytes, off_t offset)
{
    size_t half = nbytes / 2 / PAGE * PAGE;
    if (half > 0 && offset >= 0) syscall(SYS_pwrite64, fd, bytes, half, offset);
    if (half > 0 && offset < 0) syscall(SYS_write, fd, bytes, half);
}

#define ENTER(result)                                                                                        \
    if (fails(__func__)) return (result)

ssize_t write(int fd, const void *bytes, size_t nbytes)
{
    bool tear = false;
    if (plan.files && fd > STDERR_FILENO && meets("write", &tear)) return -1;
    if (tear) {
        write_half(fd, bytes, nbytes, -1);
        kill(getpid(), SIGKILL);
    }
    return syscall(SYS_write, fd, bytes, nbytes);
}

ssize_t pwrite(int fd, const void *bytes, size_t nbytes, off_t offset)
{
    bool tear = false;
    if (plan.files && meets("pwrite", &tear)) return -1;
    if (tear) {
        write_half(fd, bytes, nbytes, offset);
        kill(getpid(), SIGKILL);
    }
    return syscall(SYS_pwrite64, fd, bytes, nbytes, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t nbytes, off_t offset)
{
    return pwrite(fd, bytes, nbytes, offset);
}

/* Half of the pieces. */
static void write_some(int fd, const struct iovec *pieces, int n)
{
    syscall(SYS_writev, fd, pieces, (n + 1) / 2);
    kill(getpid(), SIGKILL);
}

ssize_t writev(int fd, const struct iovec *pieces, int n)
{
    bool tear = false;
    if (plan.files && fd > STDERR_FILENO && meets("writev", &tear)) return -1;
    if (tear) write_some(fd, pieces, n);
    return syscall(SYS_writev, fd, pieces, n);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int n, off_t offset)
{
    ENTER(-1);
    return syscall(SYS_pwritev, fd, pieces, n, offset, 0);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t nbytes, unsigned flags)
{
    ENTER(-1);
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, nbytes, flags);
}

ssize_t sendfile(int to, int from, off_t *at, size_t nbytes)
{
    ENTER(-1);
    return syscall(SYS_sendfile, to, from, at, nbytes);
}

int fsync(int fd)
{
    ENTER(-1);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    ENTER(-1);
    return (int)syscall(SYS_fdatasync, fd);
}

int msync(void *from, size_t nbytes, int flags)
{
    ENTER(-1);
    return (int)syscall(SYS_msync, from, nbytes, flags);
}

int ftruncate(int fd, off_t nbytes)
{
    ENTER(-1);
    return (int)syscall(SYS_ftruncate, fd, nbytes);
}

int ftruncate64(int fd, off_t nbytes)
{
    return ftruncate(fd, nbytes);
}

int truncate(const char *path, off_t nbytes)
{
    ENTER(-1);
    return (int)syscall(SYS_truncate, path, nbytes);
}

int fallocate(int fd, int mode, off_t offset, off_t nbytes)
{
    ENTER(-1);
    return (int)syscall(SYS_fallocate, fd, mode, offset, nbytes);
}

int posix_fallocate(int fd, off_t offset, off_t nbytes)
{
    if (fails(__func__)) return errno;
    return syscall(SYS_fallocate, fd, 0, offset, nbytes) == 0 ? 0 : errno;
}

int rename(const char *from, const char *to)
{
    ENTER(-1);
    return (int)syscall(SYS_rename, from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    ENTER(-1);
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    ENTER(-1);
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to)
{
    ENTER(-1);
    return (int)syscall(SYS_link, from, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    ENTER(-1);
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int symlink(const char *to, const char *path)
{
    ENTER(-1);
    return (int)syscall(SYS_symlink, to, path);
}

int unlink(const char *path)
{
    if (removal_fails(__func__)) return -1;
    return (int)syscall(SYS_unlink, path);
}

int unlinkat(int dir, const char *path, int flags)
{
    if (removal_fails(__func__)) return -1;
    return (int)syscall(SYS_unlinkat, dir, path, flags);
}

int rmdir(const char *path)
{
    if (removal_fails(__func__)) return -1;
    return (int)syscall(SYS_rmdir, path);
}

int mkdir(const char *path, mode_t mode)
{
    ENTER(-1);
    return (int)syscall(SYS_mkdir, path, mode);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    ENTER(-1);
    return (int)syscall(SYS_mkdirat, dir, path, mode);
}

/* Opening counts when it may make a file. */
static int open_file(int dir, const char *path, int flags, va_list more)
{
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
    if (flags & (O_CREAT | O_TRUNC) && fails("open")) return -1;
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = open_file(AT_FDCWD, path, flags, more);
    va_end(more);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = open_file(AT_FDCWD, path, flags, more);
    va_end(more);
    return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = open_file(dir, path, flags, more);
    va_end(more);
    return fd;
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = open_file(dir, path, flags, more);
    va_end(more);
    return fd;
}

/* --- memory --- */

void *__libc_malloc(size_t nbytes);
void *__libc_calloc(size_t count, size_t nbytes);
void *__libc_realloc(void *block, size_t nbytes);

/* Other libraries' allocations are let through: what a failure of theirs does is not the program's to say. */
static bool out_of_memory(const void *caller)
{
    if (!plan.memory) return false;
    for (int i = 0; i < ncode; i++)
        if ((uintptr_t)caller >= code[i].from && (uintptr_t)caller < code[i].to) return meets("malloc", NULL);
    return false;
}

void *malloc(size_t nbytes)
{
    return out_of_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(nbytes);
}

void *calloc(size_t count, size_t nbytes)
{
    return out_of_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(count, nbytes);
}

void *realloc(void *block, size_t nbytes)
{
    return out_of_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(block, nbytes);
}
