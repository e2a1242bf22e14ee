/* The door to libexif. */
#include "codec_impl.h"

#include <signet/mem.h>
#include <string.h>

#include <libexif/exif-data.h>

/* Orientation stands in the first directory, and that at the start, before thumbnails and makers' notes. libexif is
 * shown no more: a full block of directories in circles takes it more than a second. */
#define EXIF_MAX_NBYTES ((size_t)16 << 10)

static const char head[6] = "Exif\0"; /* libexif wants it, PNG and WebP leave it out */

static int orientation_of(ExifData *data)
{
    const ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (!entry || entry->format != EXIF_FORMAT_SHORT || entry->size < 2) return 1;
    int value = exif_get_short(entry->data, exif_data_get_byte_order(data));
    return value >= 1 && value <= 8 ? value : 1;
}

bool sg_exif_orientation(int *orientation, const unsigned char *exif, size_t nbytes, sg_error *err)
{
    *orientation = 1;
    bool has_head = nbytes >= sizeof head && memcmp(exif, head, sizeof head) == 0;
    if (has_head) {
        exif += sizeof head;
        nbytes -= sizeof head;
    }
    if (nbytes > EXIF_MAX_NBYTES - sizeof head) nbytes = EXIF_MAX_NBYTES - sizeof head;
    unsigned char *block = sg_alloc(sizeof head + nbytes, 1);
    ExifData *data = exif_data_new();
    if (block && data) {
        memcpy(block, head, sizeof head);
        memcpy(block + sizeof head, exif, nbytes);
        exif_data_load_data(data, block, (unsigned)(sizeof head + nbytes));
        *orientation = orientation_of(data);
    }
    bool ok = block && data ? true : sg_fail_memory(err, "EXIF");
    if (data) exif_data_unref(data);
    sg_free(block);
    return ok;
}
