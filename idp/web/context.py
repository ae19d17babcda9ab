"""One context for each page request, and when its transaction ends (architecture §9, Transactions).

The commit comes after the response is built and before one byte of it is sent; error answers commit too,
for a counted failure must survive its own error.  Only what ends in a bug is rolled back.
"""

from collections.abc import Callable

from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.context import Actor, Context, Services
from idp.web.client_address import origin

ROLL_BACK_FROM = 500
_OF_THE_ANSWER = frozenset(
    {"Set-Cookie", "Location", "Refresh", "Content-Length", "Content-Type", "Retry-After", "ETag"}
)


def current() -> Context:
    """Return this request's context; time and origin are read at the first call."""
    if "context" not in g:
        services: Services = current_app.extensions["lotse"]
        request_id = request.environ.get("lotse.request_id", "")
        where = origin(request.environ, services.settings, request_id=request_id)
        g.context = services.context(services.database.session(), origin=where, actor=Actor("anonymous"))
    found: Context = g.context
    return found


def init_app(app: Flask, database_away: Callable[[Exception], Response]) -> None:
    """Bind units of work to requests.

    :param database_away: the answer where what a page did could not be kept.
    """

    @app.after_request
    def finish(response: Response) -> Response:
        if "context" not in g:
            return response
        if response.status_code >= ROLL_BACK_FROM:
            _undo(g.context)
            return response
        try:
            g.context.db.commit()
        except (DBAPIError, PoolTimeout) as error:
            _undo(g.context)
            return _instead(response, database_away(error))
        return response

    @app.teardown_request
    def close(_error: BaseException | None) -> None:
        if "context" in g:
            g.context.db.close()


def _undo(ctx: Context) -> None:
    """Roll back; where the database went away it has done so itself, and the answer stands."""
    try:
        ctx.db.rollback()
    except DBAPIError:
        pass  # the pool throws the connection away


def _instead(unkept: Response, response: Response) -> Response:
    """Return another answer under the headers of every page; no cookie or address of what was not kept."""
    for name, value in unkept.headers:
        if name not in _OF_THE_ANSWER:
            response.headers.setdefault(name, value)
    return response
