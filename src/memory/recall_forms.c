/* recall_forms: English words whose forms no stemmer brings together, and what a question for a
 * time is answered with. All are stems as the index has them. */
#include <string.h>

#include "base/mem.h"
#include "memory/recall-internal.h"

static const char *const irregular[] = {"go went gone",
                                        "bui bought",
                                        "take took taken",
                                        "make made",
                                        "get got gotten",
                                        "give gave given",
                                        "see saw seen",
                                        "know knew known",
                                        "think thought",
                                        "come came",
                                        "find found",
                                        "tell told",
                                        "feel felt",
                                        "leav left",
                                        "begin began begun",
                                        "keep kept",
                                        "write wrote written",
                                        "meet met",
                                        "run ran",
                                        "bring brought",
                                        "sit sat",
                                        "stand stood",
                                        "lose lost",
                                        "pai paid",
                                        "speak spoke spoken",
                                        "grow grew grown",
                                        "win won",
                                        "teach taught",
                                        "choos chose chosen",
                                        "catch caught",
                                        "fall fell fallen",
                                        "sell sold",
                                        "send sent",
                                        "build built",
                                        "spend spent",
                                        "draw drew drawn",
                                        "drive drove driven",
                                        "eat at eaten",
                                        "break broke broken",
                                        "wear wore worn",
                                        "hear heard",
                                        "hold held",
                                        "learn learnt",
                                        "sing sang sung",
                                        "swim swam swum",
                                        "sleep slept",
                                        "ride rode ridden",
                                        "fly flew flown",
                                        "throw threw thrown",
                                        "wake woke woken",
                                        "sai said",
                                        "understand understood",
                                        "becom becam",
                                        "forget forgot forgotten",
                                        "hide hid hidden",
                                        "fight fought",
                                        "lend lent",
                                        "shoot shot",
                                        "steal stole stolen",
                                        "swear swore",
                                        "tear tore",
                                        "bite bit bitten",
                                        "blow blew blown",
                                        "deal dealt",
                                        "dig dug",
                                        "drink drank drunk",
                                        "feed fed",
                                        "freez froze frozen",
                                        "hang hung",
                                        "ring rang rung",
                                        "rise rose risen",
                                        "seek sought",
                                        "shake shook shaken",
                                        "shine shone",
                                        "sink sank",
                                        "slide slid",
                                        "spring sprang",
                                        "stick stuck",
                                        "strike struck",
                                        "sweep swept",
                                        "child children",
                                        "man men",
                                        "woman women",
                                        "person peopl",
                                        "foot feet",
                                        "tooth teeth",
                                        "mous mice",
                                        "wife wive",
                                        "life live",
                                        "knife knive",
                                        "leaf leav",
                                        "bad wors worst"};

const char recall_times[] =
    "yesterdai last ago week weekend month year tomorrow next todai tonight morn mondai tuesdai "
    "wednesdai thursdai fridai saturdai sundai januari februari march april june juli august "
    "septemb octob novemb decemb recent";

static bool holds(const char *words, const char *stem, size_t n) {
    for (const char *at = words; (at = strstr(at, stem)); at++)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

const char *recall_forms(const char *stem) {
    size_t n = strlen(stem);
    for (size_t i = 0; i < ARRAY_LEN(irregular); i++)
        if (holds(irregular[i], stem, n))
            return irregular[i];
    return NULL;
}
