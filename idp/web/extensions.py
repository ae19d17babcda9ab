"""Flask extensions as objects without an application; ``idp.app`` binds them.

Design §3: beside the surfaces, below nothing but them.
"""

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Engine

from idp.context import Services
from idp.db import Base
from idp.web.locales import CatalogueBabel


class Orm(SQLAlchemy):
    """Flask-SQLAlchemy on our own models and engines: it gives each request its session, no more."""

    def _apply_driver_defaults(self, options: dict[str, Any], app: Flask) -> None:
        """Leave the engine alone: ``idp.db`` has made it."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        services: Services = app.extensions["lotse"]
        return services.database.engine


babel = CatalogueBabel()
csrf = CSRFProtect()
orm = Orm(
    model_class=Base,
    session_options={"expire_on_commit": False, "autoflush": False},
    disable_autonaming=True,
)
