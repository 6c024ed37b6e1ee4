/* Checks of the tests in C: the first that fails ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include "swiftep.h"

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The call succeeds. */
#define OK(call) CHECK((call) == SWIFTEP_OK, "%s", swiftep_last_error())

/* The call fails with this code and says so. */
#define FAILS(code, call)                                                                                              \
    do {                                                                                                               \
        int32_t found = (call);                                                                                        \
        CHECK(found == (code), "result %d, expected %d: %s", found, (code), swiftep_last_error());                     \
        CHECK(swiftep_last_error()[0] != 0, "no text");                                                                \
        printf("refused: %s\n", swiftep_last_error());                                                                 \
    } while (0)

#endif
