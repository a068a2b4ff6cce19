#ifndef PV_CLI_HOST_CHOICE_H
#define PV_CLI_HOST_CHOICE_H

/* What --gpu and --driver say. */

struct pv_host_choice {
    const char *gpu; /* NULL: all */
    char *driver;    /* absolute; NULL: all of the host's; for pv_host_choice_finish() */
};

/* Take an option's value. NULL when it is good, else what is wrong (static). */
const char *pv_host_choice_set_gpu(struct pv_host_choice *choice, const char *value);
const char *pv_host_choice_set_driver(struct pv_host_choice *choice, const char *value);
void pv_host_choice_finish(struct pv_host_choice *choice);

#endif
