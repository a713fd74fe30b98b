"""Makes the wall clock of a Python process wrong by ``TEST_SKEW_S`` seconds, and nothing else.

libfaketime also changes the clock that waiting is measured with, or breaks ``time.sleep``.
"""

import datetime
import os
import time

_SKEW_S = float(os.environ["TEST_SKEW_S"])
_time, _time_ns, _datetime = time.time, time.time_ns, datetime.datetime


class _Skewed(_datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time = lambda: _time() + _SKEW_S
time.time_ns = lambda: _time_ns() + int(_SKEW_S * 1e9)
datetime.datetime = _Skewed
