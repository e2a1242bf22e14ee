/* A JPEG's coefficients coded another way, which PIL cannot write: the pixels stay the same. */
#ifndef SIGNET_TESTS_TRANSCODE_H
#define SIGNET_TESTS_TRANSCODE_H

#include "datasets/pictures.h"

#include <jpeglib.h>

/* Arithmetic coding instead of Huffman's, as progressive scans if asked for, a restart marker every `restart` blocks
 * (0: none). free() the bytes. */
static inline unsigned char *transcode(unsigned long *out_nbytes, const void *bytes, size_t nbytes,
                                       bool arithmetic, bool progressive, unsigned restart)
{
    struct jpeg_error_mgr errors; /* its error_exit ends the test */
    struct jpeg_decompress_struct in = {.err = jpeg_std_error(&errors)};
    struct jpeg_compress_struct out = {.err = &errors};
    unsigned char *result = NULL;
    jpeg_create_decompress(&in);
    jpeg_create_compress(&out);
    jpeg_mem_src(&in, bytes, nbytes);
    jpeg_read_header(&in, TRUE);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&in);
    jpeg_copy_critical_parameters(&in, &out);
    out.arith_code = arithmetic;
    out.restart_interval = restart;
    if (progressive) jpeg_simple_progression(&out);
    jpeg_mem_dest(&out, &result, out_nbytes);
    jpeg_write_coefficients(&out, coefficients);
    jpeg_finish_compress(&out);
    jpeg_finish_decompress(&in);
    jpeg_destroy_compress(&out);
    jpeg_destroy_decompress(&in);
    return result;
}

#endif
