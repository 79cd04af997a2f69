// libidn2 maps host names (UTS 46); libunistring, which it stands on, knows scripts and bidirectional classes.
#pragma once
#include <idn2.h>
#include <stdint.h>
#include <unictype.h>

/// Index of a scalar's script (Unicode's property Script) in libunistring's list, or -1 for none.
static inline int edge_script(uint32_t scalar) {
    const uc_script_t *all, *script = uc_script(scalar);
    size_t count;
    uc_all_scripts(&all, &count);
    return script ? (int)(script - all) : -1;
}

/// Index of the script called `name`, for example "Latin"; -1 if there is none.
static inline int edge_script_named(const char *name) {
    const uc_script_t *all, *script = uc_script_byname(name);
    size_t count;
    uc_all_scripts(&all, &count);
    return script ? (int)(script - all) : -1;
}
