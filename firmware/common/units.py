# Money and energy as integers. A float would lose pence sooner or later, and boards differ in how
# many digits theirs have.
#
# Money: hundredths of a penny. Energy: watt-hours.

PENNY = 100
POUND = 100 * PENNY


# Whole pence, rounded in the customer's favour. Also what record format 1 keeps, so that the
# balance shown is the same before and after a restart.
def whole_pence(amount: int) -> int:
    return -(-amount // PENNY)


# 123450 -> "12.35", -4200 -> "-0.42"
def pounds_text(amount: int) -> str:
    pence = whole_pence(amount)
    return "%s%d.%02d" % ("-" if pence < 0 else "", abs(pence) // 100, abs(pence) % 100)


# 3214 -> "3.2"
def kwh_text(watt_hours: int) -> str:
    return "%d.%d" % (watt_hours // 1000, watt_hours % 1000 // 100)


# "10.00" with two places -> 1000. Digits, one point, exactly `places` digits, nothing else: no
# sign, no blank, no superfluous zero, no digit of another script. ValueError for all the rest.
def parse_decimal(text: str, places: int) -> int:
    whole, point, fraction = text.partition(".")
    if not point or len(fraction) != places or not 1 <= len(whole) <= 6:
        raise ValueError
    if len(whole) > 1 and whole[0] == "0":
        raise ValueError
    value = 0
    for digit in whole + fraction:
        if not "0" <= digit <= "9":
            raise ValueError
        value = 10 * value + ord(digit) - ord("0")
    return value


# "10.00" -> 100000
def parse_pounds(text: str) -> int:
    return parse_decimal(text, 2) * PENNY
