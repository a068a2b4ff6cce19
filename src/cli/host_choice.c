#include "host_choice.h"

#include "isolate/icd.h"
#include "isolate/messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *pv_host_choice_set_gpu(struct pv_host_choice *choice, const char *value)
{
    choice->gpu = value;
    return value[0] != '\0' && strlen(value) < PV_SETUP_GPU_SIZE ? NULL : "not a name or index";
}

const char *pv_host_choice_set_driver(struct pv_host_choice *choice, const char *value)
{
    free(choice->driver);
    choice->driver = realpath(value, NULL);
    if (choice->driver == NULL) {
        return strerror(errno);
    }
    return strlen(choice->driver) < PV_ICD_PATH_SIZE ? NULL : "the path is too long";
}

void pv_host_choice_finish(struct pv_host_choice *choice)
{
    free(choice->driver);
    choice->driver = NULL;
}
