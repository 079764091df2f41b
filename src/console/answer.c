/* answer.c: see answer.h. */
#include "console/answer.h"

#include "base/error.h"
#include "console/client.h"

#include <stdarg.h>
#include <stdio.h>

enum { NAME_MAX_BYTES = 32, SENTENCE_MAX = 2048 };

bool answer_wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

/* Writes all of the text, or answers why not. 0 or 1. */
static int print_to(FILE *to, const struct buf *text, bool json)
{
    fflush(stdout);
    if (fwrite(text->p, 1, text->n, to) == text->n && fflush(to) == 0)
        return 0;
    answer_error(json, ANSWER_FAILED, "cannot write the reply to standard output");
    return 1;
}

static int unprintable(bool json, int error)
{
    answer_error(json, ANSWER_FAILED, "cannot print the reply: %s", error_sentence(error));
    return 1;
}

int answer_reply(const struct resp_reply *reply, struct slice command, bool json,
                 const struct render *how)
{
    char name[NAME_MAX_BYTES];
    size_t n = command.n < sizeof name ? command.n : sizeof name;
    for (size_t i = 0; i < n; i++)
        name[i] =
            (char)(command.p[i] >= 'A' && command.p[i] <= 'Z' ? command.p[i] | 0x20 : command.p[i]);
    bool failed = reply->v[0].type == RESP_ERROR;
    struct buf text;
    buf_init(&text, 2u * CLIENT_BUFFER_MAX);
    int error =
        json ? render_json(&text, reply, slice_of(name, n)) : render_text(&text, reply, how);
    int code = error != 0 ? unprintable(json, error)
                          : print_to(failed && !json ? stderr : stdout, &text, json);
    buf_close(&text);
    return failed ? 1 : code;
}

int answer_json(const struct sink *line)
{
    return line->error != 0 ? unprintable(true, line->error) : print_to(stdout, line->out, true);
}

void answer_error(bool json, const char *code, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    fflush(stdout);
    if (!json) {
        fprintf(stderr, "covey: %s\n", sentence);
        return;
    }
    struct buf text;
    buf_init(&text, 16 * SENTENCE_MAX);
    struct sink s = {&text, 0};
    text_put(&s, SLICE("{\"error\":"));
    json_put_error(&s, slice_str(code), slice_str(sentence));
    text_put(&s, SLICE("}\n"));
    fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
    buf_close(&text);
}
