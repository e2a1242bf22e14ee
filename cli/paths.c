#include "paths.h"

#include <signet/file.h>
#include <signet/image.h>
#include <signet/mem.h>
#include <string.h>

void cli_paths_clear(cli_paths *paths)
{
    sg_free(paths->v);
    sg_free(paths->lines);
    *paths = (cli_paths){NULL, 0, NULL};
}

bool cli_paths_gather(cli_paths *paths, const cli_call *call, const char *list, bool zero, sg_error *err)
{
    const char end = zero ? '\0' : '\n';
    size_t nbytes = 0, count = call->nargs;
    *paths = (cli_paths){NULL, 0, NULL};
    if (list && !sg_file_read(&paths->lines, &nbytes, list, SG_MAX_FILE_NBYTES, err)) return false;
    char *text = paths->lines;
    for (size_t i = 0; i < nbytes; i++) count += text[i] == end;
    if (!zero && nbytes > 0 && memchr(text, '\0', nbytes)) {
        cli_paths_clear(paths);
        return sg_fail(err, SG_ERR_FORMAT,
                       "%s: a byte of value 0: no list of a path a line (-0 reads them so)", list);
    }
    if (!(paths->v = sg_alloc(count + 1, sizeof *paths->v))) {
        cli_paths_clear(paths);
        return sg_fail_memory(err, "paths");
    }
    for (size_t i = 1; i < call->nargs; i++) paths->v[paths->n++] = call->args[i];
    for (char *path = text, *next; path && path < text + nbytes; path = next) {
        char *stop = memchr(path, end, (size_t)(text + nbytes - path));
        next = stop ? stop + 1 : text + nbytes;
        if (stop) *stop = '\0';
        if (*path) paths->v[paths->n++] = path;
    }
    return true;
}
