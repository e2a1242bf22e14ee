#include "query_inputs.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

static bool add_file(query_inputs *in, const char *path, bool named, sg_error *err)
{
    if (!sg_grow(&in->files, &in->cap, in->n + 1, sizeof *in->files)) return sg_fail_memory(err, "paths");
    in->files[in->n++] = (sg_query_file){.path = path, .named = named};
    return true;
}

static bool list_refused(void *context, const char *path, const sg_error *why, sg_error *err)
{
    (void)path;
    return cli_skip(context, why, false, err);
}

/* Takes path. */
static bool own_path(query_inputs *in, char *path, sg_error *err)
{
    if (sg_grow(&in->owned, &in->owned_cap, in->nowned + 1, sizeof *in->owned)) {
        in->owned[in->nowned++] = path;
        return true;
    }
    sg_free(path);
    return sg_fail_memory(err, "paths");
}

static bool add_folder(query_inputs *in, const char *folder, int *status, sg_error *err)
{
    sg_dir_file *files;
    char *path;
    size_t n;
    const sg_dir_refused refused = {list_refused, status};
    const sg_dir_options options = {.hidden = in->options.hidden,
                                    .exclude = in->options.exclude->items,
                                    .nexclude = in->options.exclude->n,
                                    .refused = &refused};
    if (!sg_dir_walk(&files, &n, folder, &options, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = sg_path_join(&path, folder, files[i].path, err) && own_path(in, path, err) &&
             add_file(in, path, false, err);
    sg_dir_files_free(files, n);
    return ok;
}

static bool add_path(query_inputs *in, const char *path, int *status, sg_error *err)
{
    return sg_is_dir(path) ? add_folder(in, path, status, err) : add_file(in, path, true, err);
}

static bool add_list(query_inputs *in, int *status, sg_error *err)
{
    const char *list = in->options.list;
    const bool zero = in->options.zero;
    size_t nbytes;
    const char end = zero ? '\0' : '\n';
    if (!sg_file_read(&in->list, &nbytes, list, SG_MAX_FILE_NBYTES, err)) return false;
    if (!zero && memchr(in->list, '\0', nbytes))
        return sg_fail(err, SG_ERR_FORMAT,
                       "%s: a byte of value 0: no list of a path a line (-0 reads them so)", list);
    for (char *line = in->list, *next; line < in->list + nbytes; line = next) {
        char *stop = memchr(line, end, (size_t)(in->list + nbytes - line));
        next = stop ? stop + 1 : in->list + nbytes;
        if (stop) *stop = '\0';
        if (*line && !add_path(in, line, status, err)) return false;
    }
    return true;
}

bool query_inputs_gather(query_inputs *in, const char *const *args, size_t nargs,
                         const query_input_options *options, int *status, sg_error *err)
{
    size_t standard = options->list && strcmp(options->list, "-") == 0;
    *in = (query_inputs){.options = *options};
    for (size_t i = 0; i < nargs; i++) {
        standard += strcmp(args[i], "-") == 0;
        if (standard > 1) return sg_fail(err, SG_ERR_USAGE, "standard input (-) can be read once only");
        if (!add_path(in, args[i], status, err)) return false;
    }
    return !options->list || add_list(in, status, err);
}

void query_inputs_clear(query_inputs *in)
{
    sg_names_free(in->owned, in->nowned);
    sg_free(in->list);
    sg_free(in->files);
    *in = (query_inputs){.n = 0};
}
