"""Pictures: bytes from anyone → an upright sRGB picture → the pixels an encoder sees.

``decode`` is the only way in for a stranger's bytes. Whatever leaves it is a plain
8 bit RGB picture, so nothing behind it has to know about formats, alpha or rotation.
"""

from visearch.images.decode import FORMATS, Limits, decode
from visearch.images.preprocess import Preprocess, crop_box, thumbnail

__all__ = ["FORMATS", "Limits", "Preprocess", "crop_box", "decode", "thumbnail"]
