"""When the transaction of a page ends, and what becomes of the answer where the database goes away."""

from pathlib import Path

import pytest
from flask import Flask, Response
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from idp.context import Services
from idp.web import context, errors
from idp.web.context import current


@pytest.mark.alone_on("postgresql")
def test_an_answer_stands_though_it_cannot_be_rolled_back(services: Services, tmp_path: Path) -> None:
    """A statement fails, and the connection is gone before its ROLLBACK: 503 stays 503 (F2)."""
    if services.database.dialect != "postgresql":
        pytest.skip("SQLite has no connection to lose")
    app = Flask("a page", root_path=str(tmp_path))
    app.extensions["lotse"] = services
    context.init_app(app, errors.database_away)

    @app.get("/")
    def page() -> Response:
        db = current().db
        db.execute(text("SET lock_timeout = 1000"))
        backend = db.scalar(text("SELECT pg_backend_pid()"))
        db.execute(text("UPDATE installation SET epoch = epoch"))
        with pytest.raises(DBAPIError):
            db.execute(text("SELECT 1 / 0"))
        with services.database.reader.connect() as other:
            assert other.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
        return Response("away", 503)

    answer = app.test_client().get("/", base_url=services.settings.public_url)
    assert (answer.status_code, answer.text) == (503, "away")
