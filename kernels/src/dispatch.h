#ifndef LFK_DISPATCH_H
#define LFK_DISPATCH_H

#include "plan.h"

/* The code for an lfk_isa_id; NULL where this CPU does not run it. */
const lfk_isa *lfk_isa_of(int id);

#endif
