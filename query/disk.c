#include "disk_impl.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* Cuts the last name off; false at the root. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || path[1] == '\0') return false;
    slash[slash == path] = '\0';
    return true;
}

/* A folder, not a symlink to one, on another disk than the folder that holds it. Cuts path. */
static bool is_mounted(char *path)
{
    struct stat st, above;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && go_up(path) && stat(path, &above) == 0 &&
           st.st_dev != above.st_dev;
}

/* The first n bytes of an absolute path. */
static bool copy(char into[PATH_MAX], const char *path, size_t n)
{
    if (path[0] != '/' || n >= PATH_MAX) return false;
    memcpy(into, path, n);
    into[n] = '\0';
    return true;
}

static uint16_t depth_of(const char *folder)
{
    uint16_t depth = 0;
    for (; *folder; folder++) depth += folder[0] == '/' && folder[1] != '\0';
    return depth;
}

uint16_t sg_disk_depth(const char *path)
{
    char folder[PATH_MAX];
    struct stat st, above;
    if (!copy(folder, path, strlen(path)) || !go_up(folder) || stat(folder, &st) != 0) return 0;
    for (;;) {
        const size_t n = strlen(folder);
        if (!go_up(folder) || stat(folder, &above) != 0) return 0;
        if (above.st_dev == st.st_dev) continue;
        copy(folder, path, n); /* back to the one below */
        const uint16_t depth = depth_of(folder);
        return is_mounted(folder) ? depth : 0;
    }
}

size_t sg_disk_folder(const char *path, uint16_t depth)
{
    const char *at = path;
    for (; depth > 0 && at && *at; depth--) at = strchr(at + 1, '/');
    return depth == 0 && at ? (size_t)(at - path) : 0;
}

bool sg_disk_mounted(const char *folder)
{
    char path[PATH_MAX];
    return copy(path, folder, strlen(folder)) && is_mounted(path);
}
