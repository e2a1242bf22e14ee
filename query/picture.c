#include "picture_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>
#include <unistd.h>

#define SIGNATURE_NBYTES 12

void sg_picture_expect(const sg_picture *p)
{
    int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return;
    posix_fadvise(fd, 0, p->named ? 0 : SIGNATURE_NBYTES, POSIX_FADV_WILLNEED);
    close(fd);
}

/* A file of a folder without a known signature is not read any further: it may be a film. */
bool sg_picture_has_signature(bool *has, const char *path, sg_error *err)
{
    char bytes[SIGNATURE_NBYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return sg_fail_errno(err, errno, "%s: cannot open", path);
    ssize_t n = read(fd, bytes, sizeof bytes);
    int errnum = errno;
    close(fd);
    if (n < 0) return sg_fail_errno(err, errnum, "%s: cannot read", path);
    *has = sg_image_format(bytes, (size_t)n) != NULL;
    return true;
}

void sg_picture_decode(sg_picture *p, uint8_t *planar, const sg_preprocess *pp, const char *bytes,
                       size_t nbytes)
{
    sg_image image;
    const sg_decode_options options = sg_preprocess_decode(pp);
    bool ok = sg_image_decode(&image, bytes, nbytes, &options, &p->why);
    if (ok) {
        ok = sg_preprocess_planar(planar, &image, pp, &p->why);
        sg_image_clear(&image);
    }
    if (!ok && p->path) sg_prefix(&p->why, "%s", p->path);
    p->state = ok ? SG_PICTURE_GOOD : SG_PICTURE_BROKEN;
}

/* Reads, and hashes if that is wanted; false: p->why. */
static bool read_content(sg_picture *p, char **bytes, size_t *nbytes)
{
    if (!sg_file_read(bytes, nbytes, p->path, SG_MAX_FILE_NBYTES, &p->why)) return false;
    if (p->need != SG_PICTURE_UNHASHED) sg_blake2b_of(p->content, sizeof p->content, *bytes, *nbytes);
    return true;
}

static bool is_recorded(const sg_picture *p)
{
    return memcmp(p->content, p->recorded, SG_CONTENT_NBYTES) == 0;
}

static bool is_wanted(const sg_picture *p)
{
    return p->need == SG_PICTURE_ALWAYS || p->need == SG_PICTURE_UNHASHED ||
           is_recorded(p) == (p->need == SG_PICTURE_IF_SAME);
}

void sg_picture_look(sg_picture *p, uint8_t *planar, const sg_preprocess *pp)
{
    char *bytes;
    size_t nbytes;
    bool image = true;
    p->state = SG_PICTURE_BROKEN;
    if (!p->named && !sg_picture_has_signature(&image, p->path, &p->why)) return;
    if (!image) {
        p->state = SG_PICTURE_NO_IMAGE;
        return;
    }
    if (!read_content(p, &bytes, &nbytes)) return;
    if (is_wanted(p))
        sg_picture_decode(p, planar, pp, bytes, nbytes);
    else
        p->state = SG_PICTURE_SKIPPED;
    sg_free(bytes);
}

void sg_picture_glance(sg_picture *p)
{
    char *bytes;
    size_t nbytes;
    bool image;
    p->state = SG_PICTURE_BROKEN;
    if (!sg_picture_has_signature(&image, p->path, &p->why)) return;
    if (!image && p->named) {
        sg_fail(&p->why, SG_ERR_FORMAT, "%s: is no image of a known format", p->path);
        return;
    }
    if (image && p->id) {
        if (!read_content(p, &bytes, &nbytes)) return;
        sg_free(bytes);
    }
    p->state = !image ? SG_PICTURE_NO_IMAGE : p->id && is_recorded(p) ? SG_PICTURE_SKIPPED : SG_PICTURE_GOOD;
}
