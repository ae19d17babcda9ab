"""What waits between a sign-in with old credentials and the account they are linked to (L-01; req 55, 75).

The proof lies sealed in a flow of this browser; the password is not kept.
"""

from typing import Any

from werkzeug.wrappers import Response

from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management.legacy_proof import Offer
from idp.web.browser_session import flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.flow_pages import go_to


def begin(then: Flow | None, offer: Offer) -> Response:
    """Keep what was proven and ask whether to bring the old account along.

    :param then: the flow that the person came in and goes on with.
    """
    ctx = current()
    names = {"de": offer.directory.name_de, "en": offer.directory.name_en}
    made = engine.start(
        ctx,
        engine.OLD_ACCOUNT,
        browser_hash=flow_browser(),
        client_id=then.client_id if then else None,
        request=engine.carried(then) | {"directory": names},
    )
    engine.put(ctx, made, offer.document())
    return go_to("old_account.show", flow=made.id)


def to_sign_in(flow: Flow) -> Flow:
    """Begin a sign-in that comes back to the old account."""
    return engine.start(
        current(),
        engine.SIGN_IN,
        browser_hash=flow_browser(),
        client_id=flow.client_id,
        request={
            "page": "old_account.show_bring",
            "of": {"flow_id": flow.id},
            "account": None,
            "ui_locales": flow.request.get("ui_locales"),
        },
    )


def of(flow_id: str, *, lock: bool = False) -> Flow:
    """Return an open offer of this browser; raises Refusal as :func:`engine.load` does."""
    flow = engine.load(current(), flow_id, known_flow_browser(), lock=lock)
    if flow.purpose != engine.OLD_ACCOUNT:
        raise Refusal("flow.lost")
    return flow


def kept_in(flow: Flow) -> dict[str, Any]:
    """Return the document that ``legacy_proof.accept`` reads."""
    return engine.get(current(), flow) or {}


def end(flow: Flow) -> None:
    """Forget what was proven: it is linked, or will not be."""
    engine.finish(current(), flow)
    engine.put(current(), flow, None)
