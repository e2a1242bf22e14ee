#include <signet/error.h>

#include <stdarg.h>
#include <string.h>

/* Long enough for a message about a path of PATH_MAX bytes. */
#define TEXT_MAX 8192

/* Stores text as one line. When it is too long its middle goes: the start names the place, the end the
 * reason. */
static void message_set(sg_error *err, char *text)
{
    static const char gap[] = "...";
    const size_t head = SG_ERROR_MAX / 2, tail = SG_ERROR_MAX - head - sizeof gap;
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) text[i] = '?';
    if (length < SG_ERROR_MAX) {
        memcpy(err->message, text, length + 1);
        return;
    }
    memcpy(err->message, text, head);
    memcpy(err->message + head, gap, sizeof gap - 1);
    memcpy(err->message + head + sizeof gap - 1, text + length - tail, tail + 1);
}

bool sg_fail(sg_error *err, sg_code code, const char *format, ...)
{
    if (!err) return false;
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err->code = code;
    message_set(err, text);
    return false;
}

bool sg_fail_errno(sg_error *err, int errnum, const char *format, ...)
{
    if (!err) return false;
    char text[TEXT_MAX], buffer[128];
    const size_t room = sizeof text - sizeof buffer - 2;
    va_list args;
    va_start(args, format);
    vsnprintf(text, room, format, args);
    va_end(args);
    size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, ": %s", strerror_r(errnum, buffer, sizeof buffer));
    err->code = SG_ERR_IO;
    message_set(err, text);
    return false;
}

bool sg_fail_memory(sg_error *err, const char *what)
{
    return sg_fail(err, SG_ERR_MEMORY, "out of memory (%s)", what);
}

bool sg_prefix(sg_error *err, const char *format, ...)
{
    if (!err) return false;
    char text[TEXT_MAX];
    const size_t room = sizeof text - SG_ERROR_MAX - 2;
    va_list args;
    va_start(args, format);
    vsnprintf(text, room, format, args);
    va_end(args);
    size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, ": %s", err->message);
    message_set(err, text);
    return false;
}
