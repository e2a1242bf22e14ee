/* A growable byte string. Failure is sticky: after one, the buffer takes nothing more and sg_buf_ok is false,
 * so that a builder checks once at its end. Always NUL-terminated when not empty. */
#ifndef SIGNET_BUF_H
#define SIGNET_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct sg_buf {
    char *data; /* owned; NULL while empty */
    size_t size, cap;
    bool failed;
} sg_buf;

#define SG_BUF_INIT                                                                                          \
    {                                                                                                        \
        NULL, 0, 0, false                                                                                    \
    }

void sg_buf_put(sg_buf *buf, const void *bytes, size_t nbytes);
void sg_buf_puts(sg_buf *buf, const char *text);
void sg_buf_printf(sg_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sg_buf_vprintf(sg_buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* The text with each byte that is not UTF-8 as U+FFFD. */
void sg_buf_put_utf8(sg_buf *buf, const char *text);
/* The five characters that matter in HTML (& < > " ') are escaped; bytes that are not UTF-8 become U+FFFD. */
void sg_buf_put_html(sg_buf *buf, const char *text);
/* On one line: control characters as \xNN, all else as it is. */
void sg_buf_put_line(sg_buf *buf, const char *text);
/* RFC 4180: quoted when it holds a comma, a quote, CR or LF. */
void sg_buf_put_csv(sg_buf *buf, const char *text);
void sg_buf_put_base64(sg_buf *buf, const void *bytes, size_t nbytes);
/* The bytes behind base64 (RFC 4648, padded, no line breaks); false when it is none. */
bool sg_buf_put_unbase64(sg_buf *buf, const char *base64);
bool sg_buf_ok(const sg_buf *buf);
const char *sg_buf_text(const sg_buf *buf); /* "" while empty */
void sg_buf_clear(sg_buf *buf);

/* Is `text` (nbytes) valid UTF-8? (No overlong forms, no surrogates.) */
bool sg_utf8_valid(const char *text, size_t nbytes);

#endif
