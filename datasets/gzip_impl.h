#ifndef SIGNET_GZIP_IMPL_H
#define SIGNET_GZIP_IMPL_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

/* The content of a gzip file, at most max_nbytes of it (SG_ERR_LIMIT beyond); *bytes is the caller's (sg_free).
 * Damage, an early end and bytes after the end are errors that name the file. */
bool sg_gzip_read(uint8_t **bytes, size_t *nbytes, const char *path, size_t max_nbytes, sg_error *err);

#endif
