"""Films and pictures as files: written, read within limits, fitted to a size, and shown on a sheet for a person."""

from model.media.encoder import Encoder
from model.media.fit import fit, fit_picture
from model.media.limits import FilmLimits, ImageLimits
from model.media.mux import encode_film, write_film
from model.media.read import read_film, read_image
from model.media.sheet import Event, Sheet, contact_sheet, several
from model.media.sound import resample

__all__ = [
    "Encoder",
    "Event",
    "FilmLimits",
    "ImageLimits",
    "Sheet",
    "contact_sheet",
    "encode_film",
    "fit",
    "fit_picture",
    "read_film",
    "read_image",
    "resample",
    "several",
    "write_film",
]
