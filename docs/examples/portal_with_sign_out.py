"""The portal of ``portal.py`` with names, refusals in plain words, and sign-out; same settings."""

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for
from markupsafe import escape

app = Flask(__name__)
app.config.from_prefixed_env(loads=str)
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
lotse = OAuth(app).register(
    "lotse",
    client_kwargs={"scope": "openid profile organization permissions", "code_challenge_method": "S256"},
)


@app.get("/")
def home():
    if "name" not in session:
        return '<a href="/login">Sign in</a>'
    tickets = '<a href="/requests">Support requests</a>' if may("support_requests") else ""
    sign_out = '<form method="post" action="/logout"><button>Sign out</button></form>'
    return f"Hello {escape(session['name'])}. {tickets} {sign_out}"


@app.get("/requests")
def requests():
    # what the page does not show, the address must refuse as well
    return "No requests are open." if may("support_requests") else ("Not for you.", 403)


@app.get("/login")
def login():
    return lotse.authorize_redirect(url_for("callback", _external=True), ui_locales="en")


@app.get("/callback")
def callback():
    lotse.load_server_metadata()["id_token_signing_alg_values_supported"] = ["ES256"]
    token = lotse.authorize_access_token()
    claims, about = token["userinfo"], lotse.userinfo(token=token)
    if about["sub"] != claims["sub"]:  # the answer for another access token (OpenID Connect Core 1.0 §5.3.2)
        raise OAuthError("wrong_subject")
    session.clear()
    session.update(
        name=about.get("name") or about.get("preferred_username"),
        permissions=claims["permissions"],
        id_token=token["id_token"],
    )
    return redirect("/")


@app.post("/logout")
def logout():
    hint = session.pop("id_token", None)
    session.clear()
    return lotse.logout_redirect(url_for("signed_out", _external=True), hint, client_id=lotse.client_id)


@app.get("/signed-out")
def signed_out():
    return 'You are signed out everywhere. <a href="/login">Sign in</a>'


@app.errorhandler(OAuthError)
def refused(error):
    return f'The sign-in did not work: {escape(error.error)}. <a href="/login">Try again</a>', 400


def may(permission):
    return permission in session.get("permissions", ())
