# Power is gone: raised in place of an operation of the flash, or of the rest of it. No handler may
# catch it.
class PowerCut(BaseException):
    pass
