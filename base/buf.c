#include <signet/buf.h>

#include <signet/mem.h>
#include <stdio.h>
#include <string.h>

/* Makes room for nbytes more and the NUL. */
static bool reserve(sg_buf *buf, size_t nbytes)
{
    size_t need;
    if (buf->failed) return false;
    if (!sg_add_size(&need, buf->size, nbytes) || !sg_add_size(&need, need, 1) ||
        !sg_grow(&buf->data, &buf->cap, need, 1))
        buf->failed = true;
    return !buf->failed;
}

void sg_buf_put(sg_buf *buf, const void *bytes, size_t nbytes)
{
    if (nbytes == 0 || !reserve(buf, nbytes)) return;
    memcpy(buf->data + buf->size, bytes, nbytes);
    buf->size += nbytes;
    buf->data[buf->size] = '\0';
}

void sg_buf_puts(sg_buf *buf, const char *text)
{
    sg_buf_put(buf, text, strlen(text));
}

void sg_buf_vprintf(sg_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0) {
        buf->failed = true;
    } else if (length > 0 && reserve(buf, (size_t)length)) {
        vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
        buf->size += (size_t)length;
    }
    va_end(again);
}

void sg_buf_printf(sg_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sg_buf_vprintf(buf, format, args);
    va_end(args);
}

/* Length of the UTF-8 character at the start of s (n > 0 bytes), 0 for none. RFC 3629, section 4. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    static const struct {
        unsigned char first_lo, first_hi, second_lo, second_hi, length;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    if (s[0] < 0x80) return 1;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        if (s[0] < forms[f].first_lo || s[0] > forms[f].first_hi) continue;
        size_t length = forms[f].length;
        if (n < length || s[1] < forms[f].second_lo || s[1] > forms[f].second_hi) return 0;
        for (size_t i = 2; i < length; i++)
            if ((s[i] & 0xc0) != 0x80) return 0;
        return length;
    }
    return 0;
}

bool sg_utf8_valid(const char *text, size_t nbytes)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0, length; i < nbytes; i += length)
        if ((length = utf8_length(s + i, nbytes - i)) == 0) return false;
    return true;
}

/* Puts the character at *text (n > 0 bytes), or U+FFFD for a byte that is none; returns the bytes it took. */
static size_t put_character(sg_buf *buf, const char *text, size_t n)
{
    size_t length = utf8_length((const unsigned char *)text, n);
    if (length == 0)
        sg_buf_puts(buf, "\xef\xbf\xbd");
    else
        sg_buf_put(buf, text, length);
    return length == 0 ? 1 : length;
}

void sg_buf_put_utf8(sg_buf *buf, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) i += put_character(buf, text + i, n - i);
}

void sg_buf_put_line(sg_buf *buf, const char *text)
{
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            sg_buf_printf(buf, "\\x%02x", (unsigned char)*at);
        else
            sg_buf_put(buf, at, 1);
}

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void sg_buf_put_html(sg_buf *buf, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        const char *entity = html_entity(text[i]);
        if (entity) {
            sg_buf_puts(buf, entity);
            i++;
        } else {
            i += put_character(buf, text + i, n - i);
        }
    }
}

void sg_buf_put_csv(sg_buf *buf, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        sg_buf_puts(buf, text);
        return;
    }
    sg_buf_puts(buf, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"') sg_buf_puts(buf, "\"");
        sg_buf_put(buf, c, 1);
    }
    sg_buf_puts(buf, "\"");
}

void sg_buf_put_base64(sg_buf *buf, const void *bytes, size_t nbytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = bytes;
    for (size_t i = 0; i < nbytes; i += 3) {
        size_t n = nbytes - i < 3 ? nbytes - i : 3;
        unsigned group = (unsigned)s[i] << 16;
        if (n > 1) group |= (unsigned)s[i + 1] << 8;
        if (n > 2) group |= (unsigned)s[i + 2];
        char out[4] = {digits[group >> 18], digits[group >> 12 & 63], n > 1 ? digits[group >> 6 & 63] : '=',
                       n > 2 ? digits[group & 63] : '='};
        sg_buf_put(buf, out, sizeof out);
    }
}

/* -1: no digit of base64. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool sg_buf_put_unbase64(sg_buf *buf, const char *base64)
{
    size_t length = strlen(base64), padding = 0;
    if (length % 4 != 0) return false;
    while (padding < 2 && padding < length && base64[length - 1 - padding] == '=') padding++;
    for (size_t i = 0; i < length; i += 4) {
        size_t given = i + 4 < length ? 4 : 4 - padding;
        unsigned group = 0;
        for (size_t k = 0; k < 4; k++) {
            int value = k < given ? base64_value(base64[i + k]) : 0;
            if (value < 0) return false;
            group = group << 6 | (unsigned)value;
        }
        const char bytes[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
        if (group & (0xffffffu >> 8 * (given - 1))) return false; /* bits behind the end */
        sg_buf_put(buf, bytes, given - 1);
    }
    return true;
}

bool sg_buf_ok(const sg_buf *buf)
{
    return !buf->failed;
}

const char *sg_buf_text(const sg_buf *buf)
{
    return buf->data ? buf->data : "";
}

void sg_buf_clear(sg_buf *buf)
{
    sg_free(buf->data);
    *buf = (sg_buf)SG_BUF_INIT;
}
