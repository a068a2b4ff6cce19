/*
 * `pearvisor demo`: one scene and one compute job, natively and through PearVisor, compared.
 * `pearvisor demo-client`: the Vulkan program that both runs execute; not meant for people.
 */
#ifndef PV_CLI_DEMO_H
#define PV_CLI_DEMO_H

/* Both take the subcommand's own arguments, argv[0] being its name, and return an exit status:
 * 0 for success, 1 for a failure that was told in one line, 2 for a wrong option. */
int pv_demo_main(int argc, char **argv);
int pv_demo_client_main(int argc, char **argv);

#endif
