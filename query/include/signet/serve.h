/* A server that keeps an index and its network loaded and answers over a Unix socket, and asking it. A line is a JSON object,
 * both ways: docs/formats.md, "Query protocol". */
#ifndef SIGNET_SERVE_H
#define SIGNET_SERVE_H

#include <signet/buf.h>
#include <signet/query.h>

/* --- a request --- */

/* What is asked for is one of path, bytes, code and id. All owned. */
typedef struct sg_request {
    char *path;        /* of a picture, as the server finds it: absolute */
    sg_buf bytes;      /* a picture's file itself */
    char *code;        /* hex */
    int64_t id;        /* 0: none */
    int64_t k, radius; /* -1: not said */
    sg_where where;
    bool rerank;
    int64_t rerank_from; /* 0: k */
    /* Stands in the answer as "request", when it is given: text, or else a number. */
    bool tagged;
    char *tag;
    int64_t tag_number;
} sg_request;

#define SG_REQUEST_INIT                                                                                      \
    {                                                                                                        \
        .k = -1, .radius = -1                                                                                \
    }
/* One line without its end. SG_ERR_FORMAT; even then the tag is there if it could be read. */
bool sg_request_parse(sg_request *request, const char *line, size_t nbytes, sg_error *err);
/* The line, without its end. */
bool sg_request_print(char **line, const sg_request *request, sg_error *err);
void sg_request_clear(sg_request *request);

#define SG_REQUEST_NBYTES  ((size_t)16 << 20) /* a line, at most */
#define SG_REQUEST_RESULTS 100000             /* of an answer, at most */

/* --- the server --- */

typedef struct sg_serve_options {
    sg_ask
        ask; /* of requests that say neither k nor radius; which have a condition of their own: its is not looked at */
    /* Told of what is worth a word; may be NULL. */
    void (*note)(void *context, const char *what);
    void *context;
} sg_serve_options;

/* Listens at `path`, which becomes a socket of mode 0600 and goes away with the server. A socket that no server listens at
 * is replaced; one that is served, or anything else under that name: SG_ERR_IO. Returns true after an interrupt, false when
 * it could not listen. */
bool sg_serve(sg_searcher *searcher, const char *path, const sg_serve_options *options, sg_error *err);

/* --- a client --- */

typedef struct sg_client sg_client;
bool sg_client_open(sg_client **client, const char *path, sg_error *err);
void sg_client_close(sg_client *client);
/* Sends a request and waits for its answer. SG_ERR_FORMAT: the server's error, after which it can be asked again; after any
 * other failure the connection is of no use. */
bool sg_client_ask(sg_answer *answer, sg_client *client, const sg_request *request, sg_error *err);

/* As sg_searcher_files, by requests that otherwise ask what `request` does: files are named to the server by their absolute
 * paths, standard input ("-") is sent. */
bool sg_client_files(sg_client *client, const sg_query_file *files, size_t n, const sg_request *request,
                     const sg_query_visit *visit, sg_error *err);

#endif
