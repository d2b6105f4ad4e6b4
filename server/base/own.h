/*
 * Ownership in the type: AUTO(buf) frees at scope end through buf_auto(); steal() gives a pointer
 * away. The header that owns a type offers `static inline void TYPE_auto(struct TYPE *)` for values
 * or DEFINE_AUTO_PTR(TYPE, TYPE_free) for heap objects (then AUTO_PTR(TYPE) p = ...).
 */
#ifndef GATEHOUSE_BASE_OWN_H
#define GATEHOUSE_BASE_OWN_H

#include <stdlib.h>

#define AUTO(type)     __attribute__((cleanup(type##_auto))) struct type
#define AUTO_PTR(type) __attribute__((cleanup(type##_ptr_auto))) struct type *
#define AUTO_FREE      __attribute__((cleanup(own_free_auto)))

#define DEFINE_AUTO_PTR(type, free_fn)                                                             \
    static inline void type##_ptr_auto(struct type **p)                                            \
    {                                                                                              \
        free_fn(*p);                                                                               \
    }

/* For AUTO_FREE char *s: frees what the pointer holds at scope end. */
static inline void own_free_auto(void *p)
{
    free(*(void **)p);
}

/* Gives a pointer away: the variable becomes NULL, so its cleanup does nothing. */
#define steal(pp)                                                                                  \
    (__extension__({                                                                               \
        __typeof__(*(pp)) steal_tmp_ = *(pp);                                                      \
        *(pp) = NULL;                                                                              \
        steal_tmp_;                                                                                \
    }))

#endif
