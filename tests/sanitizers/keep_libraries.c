/* Replaces dlclose in builds with LeakSanitizer. A driver may leave memory behind that only its own
   globals point to; once it is unloaded that counts as a leak, and of a module without a name,
   which no suppression can match. */
#include <dlfcn.h>

__attribute__((visibility("default"))) int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
