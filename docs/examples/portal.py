"""A portal that signs people in with Lotse: Flask, Authlib, and nothing of ours.

Settings come from the environment: ``FLASK_SECRET_KEY``, ``FLASK_LOTSE_CLIENT_ID``,
``FLASK_LOTSE_CLIENT_SECRET`` and ``FLASK_LOTSE_SERVER_METADATA_URL``.
"""

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for

app = Flask(__name__)
app.config.from_prefixed_env(loads=str)
lotse = OAuth(app).register(
    "lotse",
    client_kwargs={"scope": "openid organization permissions", "code_challenge_method": "S256"},
)


@app.get("/login")
def login():
    return lotse.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    lotse.load_server_metadata()["id_token_signing_alg_values_supported"] = ["ES256"]
    session["person"] = lotse.authorize_access_token()["userinfo"]
    return redirect("/")


@app.get("/")
def home():
    return session.get("person") or redirect("/login")


@app.errorhandler(OAuthError)
def refused(error):
    return {"error": error.error}, 400
