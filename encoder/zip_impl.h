/* Zip archives that hold their members as they are (torch.save's): the door to libzip. Checksums are checked by it. */
#ifndef SIGNET_ZIP_IMPL_H
#define SIGNET_ZIP_IMPL_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_zip sg_zip;

/* Messages begin with the path in all of these. */
bool sg_zip_open(sg_zip **zip, const char *path, sg_error *err);
void sg_zip_close(sg_zip *zip);
size_t sg_zip_nbytes(const sg_zip *zip); /* of the archive's file */
size_t sg_zip_count(const sg_zip *zip);
const char *sg_zip_name(const sg_zip *zip, size_t member); /* borrowed; as the archive has it */
/* false: there is none of that name. */
bool sg_zip_find(size_t *member, const sg_zip *zip, const char *name);
/* Its size. SG_ERR_UNSUPPORTED for a compressed or encrypted one, SG_ERR_FORMAT for a size larger than the archive. */
bool sg_zip_size(size_t *nbytes, const sg_zip *zip, size_t member, sg_error *err);
/* All of a member, whose size is nbytes (as sg_zip_size gave it). */
bool sg_zip_read(void *bytes, const sg_zip *zip, size_t member, size_t nbytes, sg_error *err);

#endif
