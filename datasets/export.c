#include <signet/export.h>

#include <errno.h>
#include <fcntl.h>
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JPEG_QUALITY    95
#define NAME_MAX_NBYTES 200 /* of a file system's 255, with room for number and ending */

static bool encode_jpeg(unsigned char **bytes, size_t *nbytes, const sg_image *image, sg_error *err)
{
    return sg_image_encode_jpeg(bytes, nbytes, image, JPEG_QUALITY, err);
}

static const struct {
    const char *name, *ending;
    bool (*encode)(unsigned char **bytes, size_t *nbytes, const sg_image *image, sg_error *err);
} formats[] = {{"png", ".png", sg_image_encode_png}, {"jpeg", ".jpg", encode_jpeg}};
#define NFORMATS (sizeof formats / sizeof *formats)

/* A set of file names, made unique by a number where they meet. */
typedef struct names {
    char **names; /* (n) owned */
    size_t n;
} names;

static void names_clear(names *set)
{
    if (set->names)
        for (size_t i = 0; i < set->n; i++) sg_free(set->names[i]);
    sg_free(set->names);
}

/* The text as one component of a path; `length` bytes of it. No '~': that is for numbers. */
static char *safe_name(const char *text, size_t length)
{
    if (length > NAME_MAX_NBYTES) length = NAME_MAX_NBYTES;
    char *name = sg_alloc(length + 2, 1);
    if (!name) return NULL;
    memcpy(name, text, length);
    if (length == 0) name[length++] = '_';
    bool utf8 = sg_utf8_valid(name, length);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        bool edge = i == 0 || i == length - 1;
        if (c == '/')
            name[i] = '-';
        else if (c < 0x20 || c == 0x7f || c == '~' || (c >= 0x80 && !utf8) ||
                 (edge && (c == '.' || c == ' ')))
            name[i] = '_';
    }
    name[length] = 0;
    return name;
}

static int compare(const void *a, const void *b)
{
    return strcmp(**(char **const *)a, **(char **const *)b);
}

/* Appends ~ and its number to each name that is there more than once. */
static bool make_unique(names *set, sg_error *err)
{
    char ***sorted = sg_alloc(set->n, sizeof *sorted);
    bool *twice = sg_calloc(set->n, sizeof *twice);
    bool ok = sorted && twice;
    for (size_t i = 0; ok && i < set->n; i++) sorted[i] = &set->names[i];
    if (ok) qsort(sorted, set->n, sizeof *sorted, compare);
    for (size_t i = 1; ok && i < set->n; i++)
        if (strcmp(*sorted[i - 1], *sorted[i]) == 0)
            twice[sorted[i - 1] - set->names] = twice[sorted[i] - set->names] = true;
    for (size_t i = 0; ok && i < set->n; i++) {
        if (!twice[i]) continue;
        size_t room = strlen(set->names[i]) + 24;
        char *name = sg_alloc(room, 1);
        ok = name != NULL;
        if (!ok) break;
        snprintf(name, room, "%s~%zu", set->names[i], i);
        sg_free(set->names[i]);
        set->names[i] = name;
    }
    sg_free(twice);
    sg_free(sorted);
    return ok ? true : sg_fail_memory(err, "export");
}

/* Bytes of a name less the ending of its last part. */
static size_t stem_length(const char *name)
{
    const char *base = sg_path_base(name), *dot = strrchr(base, '.');
    return dot && dot > base ? (size_t)(dot - name) : strlen(name);
}

static bool names_init(names *set, const char *const *texts, size_t n, bool stems, sg_error *err)
{
    set->n = n;
    set->names = sg_calloc(n, sizeof *set->names);
    if (!set->names) return sg_fail_memory(err, "export");
    for (size_t i = 0; i < n; i++) {
        set->names[i] = safe_name(texts[i], stems ? stem_length(texts[i]) : strlen(texts[i]));
        if (!set->names[i]) return sg_fail_memory(err, "export");
    }
    return make_unique(set, err);
}

typedef struct exporter {
    const sg_dataset *ds;
    const char *dir;
    uint64_t max_pixels;
    size_t format;
    names files, classes;
    sg_buf list;
    bool again;     /* the folder holds a list: what stands there was exported and may be written anew */
    char **written; /* (nwritten) owned: paths of the new files */
    size_t nwritten;
} exporter;

static bool names_of_items(exporter *e, sg_error *err)
{
    size_t n = sg_dataset_size(e->ds);
    const char **texts = sg_alloc(n, sizeof *texts);
    if (!texts) return sg_fail_memory(err, "export");
    for (size_t i = 0; i < n; i++) texts[i] = sg_dataset_item_name(e->ds, i);
    bool ok = names_init(&e->files, texts, n, true, err);
    sg_free(texts);
    return ok &&
           names_init(&e->classes, sg_dataset_classes(e->ds), sg_dataset_labels(e->ds)->classes, false, err);
}

static void list_labels(sg_buf *list, const sg_labels *labels, size_t item)
{
    if (labels->ids && labels->ids[item] >= 0) sg_buf_printf(list, " %d", labels->ids[item]);
    for (size_t c = 0; labels->rows && c < labels->classes; c++)
        sg_buf_puts(list, sg_labels_has(labels, item, c) ? " 1" : " 0");
}

/* A plain file: thousands of them are brought to the disk at once before the list is written, since one by one takes
 * minutes. */
static bool write_new(int fd, const char *path, const unsigned char *bytes, size_t nbytes, sg_error *err)
{
    FILE *file = fdopen(fd, "wb");
    bool ok = file && fwrite(bytes, 1, nbytes, file) == nbytes;
    int errnum = errno;
    if ((file ? fclose(file) : close(fd)) != 0 && ok) {
        ok = false;
        errnum = errno;
    }
    return ok ? true : sg_fail_errno(err, errnum, "%s: cannot write", path);
}

/* Takes path. What is there is replaced as a whole, and only where an export put it: never the picture itself. */
static bool write_file(exporter *e, char *path, const char *source, const unsigned char *bytes, size_t nbytes,
                       sg_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
        e->written[e->nwritten++] = path;
        return write_new(fd, path, bytes, nbytes, err);
    }
    bool ok = false;
    if (errno != EEXIST)
        sg_fail_errno(err, errno, "%s: cannot write", path);
    else if (!e->again)
        sg_fail(err, SG_ERR_IO, "%s: is there already, and its folder holds no export", path);
    else if (source && sg_path_same(path, source))
        sg_fail(err, SG_ERR_IO, "%s: would be written over itself", path);
    else
        ok = sg_file_write(path, bytes, nbytes, err);
    sg_free(path);
    return ok;
}

static bool sync_folder(const char *dir, sg_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && syncfs(fd) == 0;
    if (!ok) sg_fail_errno(err, errno, "%s: cannot sync", dir);
    if (fd >= 0) close(fd);
    return ok;
}

/* Writes one image and its line of the list. */
static bool export_item(exporter *e, size_t item, sg_error *err)
{
    const sg_labels *labels = sg_dataset_labels(e->ds);
    sg_buf name = SG_BUF_INIT;
    if (labels->ids && labels->ids[item] >= 0)
        sg_buf_printf(&name, "%s/", e->classes.names[labels->ids[item]]);
    sg_buf_printf(&name, "%s%s", e->files.names[item], formats[e->format].ending);
    char *path = NULL;
    sg_image image = {0};
    unsigned char *bytes = NULL;
    size_t nbytes = 0;
    const sg_decode_options decode = {.max_pixels = e->max_pixels, .oriented = true};
    bool ok = sg_buf_ok(&name) ? true : sg_fail_memory(err, "export");
    ok = ok && sg_path_join(&path, e->dir, sg_buf_text(&name), err) &&
         sg_dataset_load(&image, e->ds, item, &decode, err) &&
         formats[e->format].encode(&bytes, &nbytes, &image, err);
    if (ok) {
        ok = write_file(e, path, sg_dataset_item_path(e->ds, item), bytes, nbytes, err);
        path = NULL;
    }
    sg_free(bytes);
    sg_image_clear(&image);
    sg_free(path);
    sg_buf_puts(&e->list, sg_buf_text(&name));
    list_labels(&e->list, labels, item);
    sg_buf_puts(&e->list, "\n");
    sg_buf_clear(&name);
    return ok;
}

/* The folders that the items need. */
static bool make_folders(const exporter *e, const uint32_t *items, size_t n, sg_error *err)
{
    if (!sg_mkdirs(e->dir, err)) return false;
    const sg_labels *labels = sg_dataset_labels(e->ds);
    if (!labels->ids) return true;
    bool *wanted = sg_calloc(labels->classes, sizeof *wanted);
    if (!wanted) return sg_fail_memory(err, "export");
    for (size_t i = 0; i < n; i++)
        if (labels->ids[items[i]] >= 0) wanted[labels->ids[items[i]]] = true;
    bool ok = true;
    for (size_t c = 0; ok && c < labels->classes; c++) {
        if (!wanted[c]) continue;
        char *path;
        ok = sg_path_join(&path, e->dir, e->classes.names[c], err);
        if (!ok) break;
        ok = sg_mkdirs(path, err);
        sg_free(path);
    }
    sg_free(wanted);
    return ok;
}

static bool write_text(const char *dir, const char *name, const sg_buf *text, sg_error *err)
{
    sg_buf path = SG_BUF_INIT;
    sg_buf_printf(&path, "%s/%s.txt", dir, name);
    bool ok = sg_buf_ok(&path) && sg_buf_ok(text) ? true : sg_fail_memory(err, "export");
    ok = ok && sg_file_write(sg_buf_text(&path), sg_buf_text(text), text->size, err);
    sg_buf_clear(&path);
    return ok;
}

/* The classes by name, for list: to read. */
static bool write_classes(const exporter *e, sg_error *err)
{
    size_t n = sg_dataset_labels(e->ds)->classes;
    sg_buf text = SG_BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        for (const char *c = sg_dataset_classes(e->ds)[i]; *c; c++)
            sg_buf_put(&text, *c == '\n' ? "_" : c, 1);
        sg_buf_puts(&text, "\n");
    }
    bool ok = n == 0 || write_text(e->dir, "classes", &text, err);
    sg_buf_clear(&text);
    return ok;
}

/* Lists of the parts that a folder may hold. */
static bool holds_lists(bool *any, const char *dir, sg_error *err)
{
    static const char *const lists[] = {"train.txt", "query.txt", "database.txt", "val.txt"};
    *any = false;
    for (size_t i = 0; !*any && i < sizeof lists / sizeof *lists; i++) {
        char *path;
        if (!sg_path_join(&path, dir, lists[i], err)) return false;
        *any = sg_path_exists(path);
        sg_free(path);
    }
    return true;
}

/* All of it, or no new file stays. */
static void finish(exporter *e, bool ok)
{
    for (size_t i = 0; i < e->nwritten; i++) {
        if (!ok) unlink(e->written[i]);
        sg_free(e->written[i]);
    }
    sg_free(e->written);
    sg_buf_clear(&e->list);
    names_clear(&e->classes);
    names_clear(&e->files);
}

static bool choose_format(size_t *format, const char *name, sg_error *err)
{
    for (*format = 0; *format < NFORMATS; ++*format)
        if (strcmp(name, formats[*format].name) == 0) return true;
    return sg_fail(err, SG_ERR_USAGE, "no format '%s' to export (png, jpeg)", name);
}

bool sg_export(const sg_dataset *ds, const uint32_t *items, size_t n, const char *part, const char *dir,
               const char *format, uint64_t max_pixels, void (*progress)(void *data, size_t done), void *data,
               sg_error *err)
{
    exporter e = {.ds = ds, .dir = dir, .max_pixels = max_pixels, .list = SG_BUF_INIT};
    if (!choose_format(&e.format, format, err)) return false;
    e.written = sg_alloc(n, sizeof *e.written);
    bool ok = e.written ? true : sg_fail_memory(err, "export");
    ok = ok && names_of_items(&e, err) && holds_lists(&e.again, dir, err) && make_folders(&e, items, n, err);
    for (size_t i = 0; ok && i < n; i++) {
        ok = sg_interrupt_check(err) && export_item(&e, items[i], err);
        if (ok && progress) progress(data, i + 1);
    }
    ok = ok && sync_folder(dir, err) && write_classes(&e, err) && write_text(dir, part, &e.list, err);
    finish(&e, ok);
    return ok;
}
