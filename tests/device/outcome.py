# What a call that may refuse came to, as a value that a table can hold.

from hanbootloader.reasons import ACCEPTED, Refused


# (reason, offset) of the refusal; (ACCEPTED, -1) if there was none.
def refusal_of(call, *arguments):
    try:
        call(*arguments)
    except Refused as refused:
        return refused.reason, refused.offset
    return ACCEPTED, -1


def reason_of(call, *arguments):
    return refusal_of(call, *arguments)[0]
