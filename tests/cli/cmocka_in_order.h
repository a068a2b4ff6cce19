/* cmocka.h uses names of headers that it does not include. */
#ifndef PV_TESTS_CLI_CMOCKA_IN_ORDER_H
#define PV_TESTS_CLI_CMOCKA_IN_ORDER_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
