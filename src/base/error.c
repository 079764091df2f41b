/* error.c: see error.h. */
#include "base/error.h"

const char *error_name(int error)
{
    switch (error) {
#define ERROR(name, number, sentence) \
    case number:                      \
        return #name;
#include "base/error.def"
#undef ERROR
    default:
        return "UNKNOWN";
    }
}

const char *error_sentence(int error)
{
    switch (error) {
#define ERROR(name, number, sentence) \
    case number:                      \
        return sentence;
#include "base/error.def"
#undef ERROR
    default:
        return "unknown error";
    }
}
