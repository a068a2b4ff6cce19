/*
 * PearVisor: the host side of Venus, the protocol by which Mesa's guest driver sends Vulkan.
 *
 * In a program of your own:
 *
 *     pv_renderer_create()          which GPU, which driver; loads Vulkan             renderer.h
 *       pv_context_create()         one guest: its objects, rings, shared memory      context.h
 *         pv_context_create_blob()    memory that guest and host share
 *         pv_context_submit()         command streams, in order; rings are set up here
 *         pv_context_fence()          tells when the work up to here is done
 *         pv_context_get_stats()      commands, memory, latencies, rings: how it is going   stats.h
 *       pv_context_destroy()
 *     pv_renderer_destroy()
 *
 * A guest is hostile. Whatever it sends, its own context ends at most: that context turns fatal,
 * its fences retire, its rings say so, and it stays a valid object until you destroy it.
 *
 * There is no global state. What a call needs to know is in the object that it is given.
 */
#ifndef PEARVISOR_PEARVISOR_H
#define PEARVISOR_PEARVISOR_H

#include <pearvisor/context.h>
#include <pearvisor/log_level.h>
#include <pearvisor/renderer.h>
#include <pearvisor/result.h>
#include <pearvisor/stats.h>
#include <pearvisor/venus.h>
#include <pearvisor/version.h>

#endif
