#ifndef PV_CLI_CLI_H
#define PV_CLI_CLI_H

/* The subcommands. Each takes its own arguments, argv[0] being its name, and returns an exit
 * status: 0 for success, 1 for a failure that was told in one line, 2 for a wrong option. */
int pv_serve_main(int argc, char **argv);
int pv_worker_main(int argc, char **argv);
int pv_image_main(int argc, char **argv);
int pv_run_main(int argc, char **argv);
int pv_doctor_main(int argc, char **argv);
int pv_self_test_main(int argc, char **argv);
int pv_coverage_main(int argc, char **argv);
int pv_vhost_user_main(int argc, char **argv);

#endif
