/* The input stands for the files of records of CIFAR-100, which has the longer ones. */
#include "fuzz.h"

#include <signet/dataset.h>
#include <signet/mem.h>

enum { CLASSES = 100 };

void fuzz_cifar(const uint8_t *bytes, size_t nbytes)
{
    char names[2 * CLASSES];
    sg_dataset *ds;
    for (size_t i = 0; i < sizeof names; i++) names[i] = i % 2 ? '\n' : 'x';
    sg_free(fuzz_file("fine_label_names.txt", names, sizeof names));
    sg_free(fuzz_file("train.bin", bytes, nbytes));
    sg_free(fuzz_file("test.bin", bytes, nbytes));
    if (!sg_dataset_open(&ds, "cifar100", fuzz_folder(), NULL)) return;
    SG_ASSERT(sg_dataset_size(ds) > 0);
    sg_image image;
    SG_ASSERT(sg_dataset_load(&image, ds, sg_dataset_size(ds) - 1, NULL, NULL));
    sg_image_clear(&image);
    sg_dataset_close(ds);
}
