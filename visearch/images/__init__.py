"""Pictures: untrusted bytes → an upright sRGB picture → the pixels an encoder sees.

``decode`` is the only way in for untrusted bytes. It returns a plain 8-bit RGB picture, so
no other code deals with formats, alpha or rotation.
"""

from visearch.images.decode import Limits, decode
from visearch.images.preprocess import Preprocess, crop_box, thumbnail

__all__ = ["Limits", "Preprocess", "crop_box", "decode", "thumbnail"]
