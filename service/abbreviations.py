"""English short forms whose stop may end no sentence, and the words that show that it does."""

from __future__ import annotations


def _list(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A name or an example follows: never an end.
TITLES = _list(
    "mr mrs ms dr prof gen sen rep gov capt lt col sgt cpl maj rev hon fr st mt ft mme mlle messrs "
    "e.g i.e vs viz cf"
)
# No end before a number.
BEFORE_NUMBERS = _list(
    "no nos n° p pp vol fig figs ch sec art eq ver v nr jan feb mar apr jun jul aug sep sept oct "
    "nov dec"
)
# An end where a word of STARTERS follows with a capital.
ABBREVIATIONS = _list(
    "al co inc ltd corp llc bros jr sr etc approx est dept univ assn bldg ave blvd rd apt min max "
    "hr hrs yr yrs wk wks mo mos oz lb lbs tbsp tsp ext tel temp misc orig incl excl esp "
    "resp"
)
# A capital after an abbreviation is most often a name; these words are none.
STARTERS = _list(
    "a after all also although am an and another any are as at because before but by can could "
    "did do does even every everyone everything few first for from had has have he her here "
    "his how however i if in is it its just last many maybe more most my never next no nobody not "
    "nothing now of on once one only or our overall people please she should since so some still "
    "thank thanks that the their then there these they this those though to too very was we well "
    "were what when where which while who why will with would yes yet you your"
)
