/* where: the programs and sources that a test works with. `make check` names them in the
 * environment; a test that is started by hand finds them from its own place in the build tree. */
#ifndef TESTLIB_WHERE_H
#define TESTLIB_WHERE_H

/* Absolute paths, lent for ever; a test that needs one that is not there fails with its name. */
const char *where_spacebot(void); /* $SPACEBOT */
const char *where_fake(void);     /* $FAKE */
const char *where_build(void);    /* $BUILDDIR */
const char *where_source(void);   /* $SRCDIR */

#endif
