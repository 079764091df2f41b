/* logger.c: see logger.h. */
#include "rt/logger.h"

#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void logger_init(struct logger *l, enum trace_level least,
                 void (*sink)(void *, enum trace_level, const char *), void *arg)
{
    *l = (struct logger){.least = least, .sink = sink, .arg = arg};
    buf_init(&l->line, LOGGER_LINE_MAX);
}

void logger_close(struct logger *l)
{
    buf_close(&l->line);
}

static bool logger_wants(const struct logger *l, enum trace_level level)
{
    return l->sink && level >= l->least;
}

/* Begins a line with its time in UTC, so that sorting merges the logs of several machines. */
static int line_begin(struct logger *l, uint64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32];
    l->line.n = 0;
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    int error = buf_printf(&l->line, "ts=%s.%03uZ", text, (unsigned)(wall_ms % 1000));
    if (!error && l->node.n)
        error = trace_print_text(&l->line, "node", l->node);
    return error ? error : buf_append(&l->line, " ", 1);
}

static void line_end(struct logger *l, enum trace_level level, int error)
{
    if (!error)
        error = buf_append(&l->line, "", 1);
    if (!error)
        l->sink(l->arg, level, (const char *)l->line.p);
}

void logger_trace(struct logger *l, uint64_t wall_ms, const struct trace *t)
{
    if (!logger_wants(l, trace_level(t->kind)))
        return;
    int error = line_begin(l, wall_ms);
    if (!error)
        error = trace_print(&l->line, t);
    line_end(l, trace_level(t->kind), error);
}

/* Texts of the world have file names and sentences of peers: they are always in quotes, and control
 * bytes become '?', so that one event stays one line. */
static int append_quoted(struct buf *line, const char *name, const char *text)
{
    if (!*text)
        return 0;
    int error = buf_printf(line, " %s=\"", name);
    for (const char *p = text; *p && !error; p++) {
        char c = (unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p;
        if (c == '"' || c == '\\')
            error = buf_append(line, "\\", 1);
        if (!error)
            error = buf_append(line, &c, 1);
    }
    return error ? error : buf_append(line, "\"", 1);
}

void logger_event(struct logger *l, uint64_t wall_ms, enum trace_level level, const char *event,
                  const char *addr, const char *why)
{
    if (!logger_wants(l, level))
        return;
    int error = line_begin(l, wall_ms);
    if (!error)
        error = buf_printf(&l->line, "event=%s level=%s", event, level_names[level]);
    if (!error)
        error = append_quoted(&l->line, "addr", addr);
    if (!error)
        error = append_quoted(&l->line, "why", why);
    line_end(l, level, error);
}

void logger_stderr(void *arg, enum trace_level level, const char *line)
{
    (void)arg, (void)level;
    struct iovec part[2] = {{.iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line)},
                            {.iov_base = "\n", .iov_len = 1}};
    /* a log that cannot be written must not stop the node */
    ssize_t ignored = writev(STDERR_FILENO, part, 2);
    (void)ignored;
}
