/* money: as many digits as an amount of its size needs. */
#include "base/money.h"

#include <stdio.h>

#define LEAST 0.0001

void money_text(double usd, bool guess, char out[MONEY_SIZE]) {
    const char *sign = guess ? "~" : "";
    bool little = usd > 0 && usd < LEAST;
    if (little && !guess)
        sign = "<";
    if (little)
        usd = LEAST;
    int digits = usd >= 1 ? 2 : usd > 0 && usd < 0.00095 ? 4 : 3;
    snprintf(out, MONEY_SIZE, "%s$%.*f", sign, digits, usd);
}
