/* money: amounts of dollars as people read them, the same everywhere. */
#ifndef BASE_MONEY_H
#define BASE_MONEY_H

#include <stdbool.h>

#define MONEY_SIZE 32

/* "$1.20", "$0.004", "$0.0003", "<$0.0001"; with ~ in front where a price or a number of tokens in
 * it is a guess: "~$0.004". */
void money_text(double usd, bool guess, char out[MONEY_SIZE]);

#endif
