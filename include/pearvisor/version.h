/*
 * Which PearVisor this is, and how its structures grow.
 *
 * Every structure that a caller fills in or reads begins with `uint32_t struct_size`, to be set to
 * sizeof of the structure as the caller's headers have it. Later versions only append members: a
 * library that knows more takes missing members as zero, one that knows less refuses with
 * PV_UNSUPPORTED if any byte that it does not know is set. Zero always means "the default".
 */
#ifndef PEARVISOR_VERSION_H
#define PEARVISOR_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

/* The headers' version. Calls and structures of one major version stay compatible from 1.0 on. */
#define PV_VERSION_MAJOR 0
#define PV_VERSION_MINOR 1
#define PV_VERSION_PATCH 0

/* Marks what the shared library exports. */
#define PV_API __attribute__((visibility("default")))

/* The library's own version, which may be newer than the headers': "0.1.0". Static. Any thread. */
PV_API const char *pv_version(void);

#ifdef __cplusplus
}
#endif

#endif
