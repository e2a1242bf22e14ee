/* Strict JSON (RFC 8259), checked before cJSON sees it: cJSON lets control characters, wrong UTF-8, \u0000
 * and numbers such as 01 pass, and cannot tell broken text from short memory. */
#ifndef SIGNET_JSON_CHECK_IMPL_H
#define SIGNET_JSON_CHECK_IMPL_H

#include <signet/error.h>
#include <stddef.h>

bool sg_json_check(const char *text, size_t nbytes, sg_error *err);

#endif
