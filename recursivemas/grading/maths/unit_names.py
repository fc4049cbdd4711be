"""What counts as a unit: measures with their spellings, money, and things that answers count.

A word that is not here is never left out of an answer: `5 squared` is not 5, and `5 k` is not either.
"""

from __future__ import annotations

from recursivemas.grading.maths.text import words

LENGTHS = {
    "nm": "nm nanometer nanometers nanometre nanometres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm cms centimeter centimeters centimetre centimetres",
    "dm": "dm decimeter decimeters decimetre decimetres",
    "m": "m meter meters metre metres",
    "km": "km kms kilometer kilometers kilometre kilometres",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yds yard yards",
    "mile": "mi mile miles",
    "unit": "unit units",
}
"""Those that `square`, `cubic`, `squared` and `cubed` may stand beside."""

_MEASURES = {
    **LENGTHS,
    "degree": "degree degrees deg",
    "radian": "rad radian radians",
    "dollar": "dollar dollars usd",
    "euro": "euro euros eur",
    "pound sterling": "sterling gbp",
    "rupee": "rupee rupees rs",
    "yen": "yen",
    "cent": "cent cents",
    "percent": "percent pct percentage",
    "second": "s sec secs second seconds",
    "millisecond": "ms millisecond milliseconds",
    "minute": "min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "yr yrs year years",
    "mg": "mg milligram milligrams",
    "gram": "g gram grams",
    "kilogram": "kg kgs kilogram kilograms",
    "ounce": "oz ounce ounces",
    "pound": "lb lbs pound pounds",
    "ton": "ton tons tonne tonnes",
    "liter": "l L liter liters litre litres",
    "milliliter": "ml mL milliliter milliliters millilitre millilitres",
    "gallon": "gal gallon gallons",
    "quart": "qt quart quarts",
    "pint": "pt pint pints",
    "acre": "acre acres",
    "hectare": "ha hectare hectares",
    "newton": "N newton newtons",
    "joule": "J joule joules",
    "kilojoule": "kJ kilojoule kilojoules",
    "watt": "W watt watts",
    "kilowatt": "kW kilowatt kilowatts",
    "volt": "V volt volts",
    "ohm": "ohm ohms",
    "hertz": "Hz hertz",
    "pascal": "Pa pascal pascals",
    "mole": "mol mole moles",
    "calorie": "cal calorie calories",
}
_SPELLED_OUT = {
    "mph": "mile / hour",
    "kph": "km / hour",
    "kmh": "km / hour",
    "kmph": "km / hour",
    "mps": "m / second",
    "fps": "foot / second",
    "rpm": "revolution / minute",
    "cc": "cm ^3",
    "sqft": "foot ^2",
}
"""Units of several others."""

_COUNTED = frozenset(
    words(
        "adult apple arrangement arrow assignment bag ball banana bar barrel basket bead bean bee bicycle "
        "bike bill bird block board boat book bottle bowl box boy branch brick bridge bulb bundle bus "
        "bushel cake calculator candle candy car card carrot case cat chair chapter cherry chicken child "
        "chip chocolate choice circle city class code coin color colour column combination committee "
        "computer contestant cookie coordinate corner cow crate crayon creature cube cup cupcake customer "
        "deer desk diagonal digit dime dinner divisor dog doll donut door dot dress duck edge egg element "
        "employee envelope equation error face factor family fish flavor flight floor flower friend frog "
        "fruit function game gift girl glass goal goat grape guest gumball hamburger hand handshake hat "
        "head hen hexagon horse house inning integer intersection item jar jelly jellybean job juror key "
        "kid kilobyte kitten knight lap lawn layer leaf leg lemon lesson letter line lion loaf lollipop "
        "lunch man mango marble meal meeting megabyte melon member mentor message monkey mouse muffin nail "
        "neighbor nickel notebook number nut octagon olive orange outcome outfit package packet page "
        "painter pair pairing paper parallelogram part party passenger path patient pattern peach peanut "
        "pear pebble pen pencil penny pentagon people permutation person phone pie piece pig pill pizza "
        "plant plate player plum point polygon position possibility potato prime prize problem program "
        "pupil puppy quadrilateral question rabbit rectangle region reptile revolution ribbon ring road "
        "rock room root rose rotation round route row ruler sack salad sandwich school seat section segment "
        "selection sequence set sheep sheet shell shirt shoe shot side sign sister slice snack sock soldier "
        "solution song spider spoon spoonful spot square stamp star state step stick sticker stone stop "
        "strawberry stripe student subject subset survivor sweater symbol table tablespoon tablet task "
        "teacher team teaspoon teenager term test ticket tile tire token tomato tool tooth tourist toy "
        "track train tray tree triangle trip truck tulip turkey turn turtle tv value vase vehicle vertex "
        "video vote waiter way weed wheel window woman word worker yoyo zebra zero zoo"
    )
)
_IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "leaves": "leaf",
    "vertices": "vertex",
    "pennies": "penny",
}
_ONLY_PLURAL = frozenset(words("cube factor prime root sign square zero"))
"""Words that may change a value where they stand alone, as `5 square` does."""
QUALIFIERS = frozenset(
    words(
        "altogether black blue complete different distinct full green integral old possible rational real "
        "red total unique white whole"
    )
)
"""Adjectives that do not change how many there are."""

SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
"""Words that multiply, with the power of ten."""

_CANONICAL = {spelling: name for name, spellings in _MEASURES.items() for spelling in spellings.split()}


def unit_of(word: str) -> str:
    """The one name of a unit that a word is; empty for every other word.

    Single letters and symbols such as `kW` are told by their case: `m` is a metre, and `M` may be a million.
    """
    lowered = word.lower()
    name = _CANONICAL.get(word) or (_CANONICAL.get(lowered) if len(word) > 1 else None)
    name = name or _SPELLED_OUT.get(lowered)
    if name or len(word) < 2:
        return name or ""
    if lowered in _ONLY_PLURAL:
        return ""
    return next((noun for noun in _singulars(lowered) if noun in _COUNTED), "")


def _singulars(word: str) -> list[str]:
    """What a word may be the plural of, itself among it."""
    singulars = [word, _IRREGULAR.get(word, word)]
    if word.endswith("s"):
        singulars.append(word[:-1])
    if word.endswith("es"):
        singulars.append(word[:-2])
    if word.endswith("ies"):
        singulars.append(f"{word[:-3]}y")
    return singulars
