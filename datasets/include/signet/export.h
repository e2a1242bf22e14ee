/* Writes images of a data set as files: a folder a class, and a list that list: reads. */
#ifndef SIGNET_EXPORT_H
#define SIGNET_EXPORT_H

#include <signet/dataset.h>

/* Writes DIR/CLASS/NAME.EXT for each item, DIR/classes.txt with the names of the classes, and DIR/PART.txt with a line
 * "path labels" for each item in order.
 * Several parts exported into one DIR make a set for list:DIR. An image's file is the same whichever part it is
 * in: its name with '-' for '/', and where two would meet, its item number too. Images without a class, or with
 * several, go to DIR itself. What cannot stand in a file name (control characters, a leading dot, bytes that are
 * not UTF-8) becomes '_'.
 * Pictures stand upright, as their EXIF says: the files have none. max_pixels as in sg_decode_options.
 * format: "png" or "jpeg" (quality 95). progress (or NULL) is called after each image with its count. The list is
 * written last. On failure and on an interrupt no new file stays. A file that is there is replaced when DIR holds a
 * list of an earlier export, else it is an error, as is an image that would be written over itself. */
bool sg_export(const sg_dataset *ds, const uint32_t *items, size_t n, const char *part, const char *dir,
               const char *format, uint64_t max_pixels, void (*progress)(void *data, size_t done), void *data,
               sg_error *err);

#endif
