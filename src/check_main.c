/* check_main.c: see check_main.h. store/archive/check.h does the work, and reports in lines; for
 * --json they are gathered first. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/words.h"
#include "console/answer.h"
#include "console/console.h"
#include "console/screen.h"
#include "store/archive/check.h"

/* bytes of lines, of a directory where everything is damaged */
enum { LINES_MAX = 64 * 1024 * 1024 };

static int print_usage(void)
{
    const struct words_page page = {.width = screen_columns()};
    struct buf text;
    buf_init(&text, 4096);
    words_paragraph(&text, "usage: covey check DIR [--json]", 0, &page);
    words_paragraph(&text,
                    "Reads all of a data directory that no node uses, or of a backup, and says "
                    "what is damaged where. Exit status: 0 clean, 1 damage, 2 it cannot be read.",
                    0, &page);
    fwrite(text.p, 1, text.n, stdout);
    buf_close(&text);
    return 0;
}

static void print_line(void *arg, const char *line)
{
    fprintf(arg, "%s\n", line);
}

static void keep_line(void *arg, const char *line)
{
    struct sink *lines = arg;
    text_put(lines, slice_str(line));
    text_put(lines, SLICE("\n"));
}

/* Takes the first line off the text, without its end. */
static struct slice next_line(struct slice *text)
{
    const uint8_t *end = memchr(text->p, '\n', text->n);
    struct slice line = slice_of(text->p, (size_t)(end - text->p));
    *text = slice_of(end + 1, text->n - line.n - 1);
    return line;
}

/* Prints {"check":{"findings":[...],"verdict":...,"code":...}}. The last of the lines is the
 * verdict. */
static int print_result(struct slice lines, enum check_result result)
{
    struct buf text;
    buf_init(&text, 8u * LINES_MAX); /* each of their bytes may become an escape */
    struct sink s = {&text, 0};
    text_put(&s, SLICE("{\"check\":{\"findings\":["));
    struct slice line = next_line(&lines);
    for (bool first = true; lines.n > 0; first = false) {
        text_put(&s, first ? SLICE("") : SLICE(","));
        json_put_string(&s, line);
        line = next_line(&lines);
    }
    text_put(&s, SLICE("],\"verdict\":"));
    json_put_string(&s, line);
    text_put(&s, SLICE(",\"code\":"));
    text_put_integer(&s, result);
    text_put(&s, SLICE("}}\n"));
    int code = answer_json(&s);
    buf_close(&text);
    return code != 0 ? code : (int)result;
}

/* Prints why the directory cannot be read: a line or two, made one. */
static int print_unreadable(struct slice lines)
{
    char why[1024] = "";
    while (lines.n > 0) {
        struct slice line = next_line(&lines);
        size_t n = strlen(why);
        snprintf(why + n, sizeof why - n, "%s%.*s", n > 0 ? "; " : "", (int)line.n,
                 (const char *)line.p);
    }
    answer_error(true, ANSWER_FAILED, "%s", why);
    return CHECK_UNREADABLE;
}

static int check_json(const char *path)
{
    struct buf text;
    buf_init(&text, LINES_MAX);
    struct sink lines = {&text, 0};
    enum check_result result = check_directory(path, keep_line, &lines);
    int code = 1;
    if (lines.error)
        answer_error(true, ANSWER_FAILED, "cannot keep what was found: %s",
                     error_sentence(lines.error));
    else
        code = result == CHECK_UNREADABLE ? print_unreadable(buf_view(&text))
                                          : print_result(buf_view(&text), result);
    buf_close(&text);
    return code;
}

/* Answers what is wrong with a word of the command line; NULL: with none in particular. */
static int wrong(bool json, const char *what, const char *word)
{
    char quoted[256] = "";
    if (word)
        snprintf(quoted, sizeof quoted, " \"%.200s\"", word);
    answer_error(json, ANSWER_USAGE, "%s%s; usage: covey check DIR [--json]", what, quoted);
    return EXIT_USAGE;
}

int check_main(int argc, char **argv)
{
    bool json = answer_wants_json(argc, argv);
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            continue;
        if (strcmp(argv[i], "--help") == 0)
            return print_usage();
        if (argv[i][0] == '-')
            return wrong(json, "unknown flag", argv[i]);
        if (path)
            return wrong(json, "one directory at a time, not also", argv[i]);
        path = argv[i];
    }
    if (!path)
        return wrong(json, "name the directory to look through", NULL);
    return json ? check_json(path) : (int)check_directory(path, print_line, stdout);
}
