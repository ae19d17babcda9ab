"""Forms with more fields than any page has are refused before a page reads them (req 29)."""

from flask import Flask, request

from idp.web.parameters import FORM, MAX_PARAMETERS, Unreadable


def init_app(app: Flask) -> None:
    """Look at each body; the library counts the parts of multipart forms alone."""

    @app.before_request
    def check() -> None:
        if request.mimetype == FORM and request.get_data().count(b"&") >= MAX_PARAMETERS:
            raise Unreadable(f"a form with {MAX_PARAMETERS} fields at most")
