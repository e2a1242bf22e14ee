#ifndef SIGNET_ANSWER_IMPL_H
#define SIGNET_ANSWER_IMPL_H

#include <signet/json.h>
#include <signet/query.h>

/* The object that sg_answer_json prints. */
sg_json *sg_answer_object(const sg_answer *answer);

#endif
