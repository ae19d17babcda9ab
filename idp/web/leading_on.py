"""Where our pages end, a page leads on to the portal (CSP Level 3 §6.4.1; HTML §3.1.4, Refresh; design §2).

Browsers hold the form-action of a page against every redirect that follows its form.  A portal whose callback
sends people on to yet another site would leave them in front of our page, signed in and without a word.
"""

from flask import Flask, Response, render_template, request
from werkzeug.urls import iri_to_uri

from idp.settings import Settings


def init_app(app: Flask, settings: Settings) -> None:
    """Put the page in the place of redirects, before :mod:`idp.web.security_headers` gets to it."""

    @app.after_request
    def lead_on(response: Response) -> Response:
        target = response.headers.get("Location", "")
        if _behind_our_form() and _is_elsewhere(target, settings):
            response.status_code = 200
            response.set_data(render_template("pages/leading_on.html", target=target))
            response.headers["Refresh"] = f"0;url={iri_to_uri(target)}"
            del response.headers["Location"]
        return response


def _behind_our_form() -> bool:
    """Tell whether a page of ours in a browser's window led here, by whatever redirects of ours.

    Programs that fill in forms follow redirects, know no Refresh, and hold no form-action against anything.
    """
    headers = request.headers
    return headers.get("Sec-Fetch-Site") == "same-origin" and headers.get("Sec-Fetch-Dest") == "document"


def _is_elsewhere(target: str, settings: Settings) -> bool:
    # an app is opened by the redirect itself: nothing comes after it, and browsers ask for no other way
    return target.startswith(("https://", "http://")) and not target.startswith(f"{settings.public_url}/")
