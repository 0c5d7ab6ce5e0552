/* golden: what a screen must look like, kept in tests/screen/golden/NAME.txt.
 * SPACEBOT_UPDATE_GOLDENS=1 writes the files afresh; look at the difference before you commit it.
 */
#ifndef TESTLIB_GOLDEN_H
#define TESTLIB_GOLDEN_H

/* Fails the test with the first line that differs and both texts. */
void golden_check(const char *name, const char *text);
/* Replaces every match of a POSIX extended expression by as many `filler` characters as it had
 * columns' worth of characters (times, ids: what differs from run to run). The caller frees. */
char *golden_mask(const char *text, const char *pattern, char filler);
/* Replaces every match by `label`, flush right in as many columns as the match had: for numbers
 * that are drawn flush right, whose width differs from run to run. The pattern takes the blanks
 * before them too. The caller frees. */
char *golden_field(const char *text, const char *pattern, const char *label);

#endif
