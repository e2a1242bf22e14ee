/* Lists of images: the database's, and behind a line "\f" that of the training images, then the names of classes. */
#include "fuzz.h"

#include <signet/buf.h>
#include <signet/dataset.h>
#include <signet/mem.h>
#include <string.h>

void fuzz_list(const uint8_t *bytes, size_t nbytes)
{
    static const char *const files[] = {"database.txt", "train.txt", "classes.txt"};
    const uint8_t *end = bytes + nbytes;
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *feed = i < 2 ? memchr(bytes, '\f', (size_t)(end - bytes)) : NULL;
        const uint8_t *stop = feed ? feed : end;
        sg_free(fuzz_file(files[i], bytes, (size_t)(stop - bytes)));
        bytes = feed ? feed + 1 : end;
    }
    sg_buf spec = SG_BUF_INIT;
    sg_dataset *ds;
    sg_buf_printf(&spec, "list:%s", fuzz_folder());
    if (sg_dataset_open(&ds, sg_buf_text(&spec), NULL, NULL)) {
        const sg_labels *labels = sg_dataset_labels(ds);
        for (size_t i = 0; i < sg_dataset_size(ds); i++) {
            SG_ASSERT(sg_dataset_item_path(ds, i) && sg_dataset_item_name(ds, i)[0]);
            SG_ASSERT(labels->classes == 0 || sg_labels_count(labels, i) <= labels->classes);
        }
        for (size_t i = 0; i < labels->classes; i++) SG_ASSERT(sg_dataset_classes(ds)[i]);
        sg_dataset_close(ds);
    }
    sg_buf_clear(&spec);
}
