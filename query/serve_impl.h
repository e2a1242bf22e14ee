#ifndef SIGNET_SERVE_IMPL_H
#define SIGNET_SERVE_IMPL_H

#include <signet/serve.h>
#include <sys/types.h>
#include <sys/un.h>

/* A line in, a line out (with its end): the answer, or an object with "error". False only without memory. */
bool sg_serve_line(sg_buf *out, sg_searcher *searcher, const sg_ask *usual, const char *line, size_t nbytes);
/* The line of an error that belongs to no request that could be read. */
bool sg_serve_error(sg_buf *out, const sg_error *why);

/* --- sockets --- */

bool sg_socket_address(struct sockaddr_un *address, const char *path, sg_error *err);
typedef struct sg_listener {
    int fd;
    const char *path; /* borrowed */
    dev_t device;     /* of the socket's file */
    ino_t file;
} sg_listener;
bool sg_listener_open(sg_listener *listener, const char *path, sg_error *err);
/* The socket's file goes too, unless another has taken its place. */
void sg_listener_close(sg_listener *listener);

#endif
