# How much memory is in use, on either interpreter.

import gc

try:
    from gc import mem_alloc

    def _start():
        pass

    _stop = _start

except ImportError:
    import tracemalloc

    def _start():
        tracemalloc.start()
        # what was there before need not be looked through at each look: in a process that ran other
        # tests it is so much that a look takes a third of a second
        gc.collect()
        gc.freeze()

    def _stop():
        gc.unfreeze()
        tracemalloc.stop()

    def mem_alloc():
        return tracemalloc.get_traced_memory()[0]


class Meter:
    # Within `with`: the most octets in use at any call of look(), above those at its beginning.
    def __enter__(self):
        _start()
        self.peak = 0
        gc.collect()
        self._idle = mem_alloc()
        return self

    def look(self):
        gc.collect()
        self.peak = max(self.peak, mem_alloc() - self._idle)

    def __exit__(self, *_):
        _stop()
