"""The ways to the provider's pages of sign-in, sign-out, devices and errors."""

from idp.delivery import mails
from tests.browser.house import BEISPIEL, CALLBACK, FOREIGN_DEVICE, FRAMED, MUSTER, Visitor, Visits
from tests.browser.scenes.book import scene


@scene
def start_stranger(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(visits.house.issuer)
    return visitor


@scene
def start_signed_in(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/login")
    visitor.fill(visits.house.regular())
    return visitor


@scene
def login(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    return visitor


@scene
def login_without_portal(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/login")
    return visitor


@scene
def login_empty(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.press()
    return visitor


@scene
def login_failed(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.newcomer(), password="Leise rieselt der Schnee 8")
    return visitor


@scene
def login_throttled(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    person = visits.house.newcomer()
    while not visitor.page.get_by_text("Zu viele Versuche").or_(visitor.page.get_by_text("Too many")).count():
        visitor.fill(person, password="Leise rieselt der Schnee 8")
    return visitor


@scene
def login_of_a_blocked_account(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer()
    visits.house.block(person)
    visitor.come_from(visits.house.customer)
    visitor.fill(person)
    return visitor


@scene
def login_again(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.customer, visits.house.regular())
    visitor.page.goto(f"{visits.house.customer}/login?again")
    return visitor


@scene
def login_filled(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.support)
    visitor.page.locator("input[name=username]").fill("eine.sehr.lange.adresse@verwaltung.muster.example")
    visitor.page.locator("input[name=password]").fill("Leise rieselt der Sand 8")
    visitor.page.locator("[data-reveal]").click()
    return visitor


@scene
def login_with_an_old_page(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.page.locator("main input[name=csrf_token]").first.evaluate("field => field.value = 'old'")
    visitor.fill(visits.house.regular())
    return visitor


@scene
def cookies_off(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.context.clear_cookies()
    visitor.fill(visits.house.of_the_cast("ben"))
    return visitor


def _second_step(visits: Visits, visitor: Visitor, *apps: str) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.newcomer(apps=apps))
    return visitor


@scene
def totp(visits: Visits, visitor: Visitor) -> Visitor:
    return _second_step(visits, visitor, "Lotse: nora@muster.example")


@scene
def totp_several_apps(visits: Visits, visitor: Visitor) -> Visitor:
    return _second_step(visits, visitor, "Lotse: nora@muster.example", "Diensthandy")


@scene
def totp_short(visits: Visits, visitor: Visitor) -> Visitor:
    _second_step(visits, visitor, "Lotse: nora@muster.example", "Diensthandy")
    visitor.fill_code("12345")
    return visitor


@scene
def totp_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    _second_step(visits, visitor, "Lotse: nora@muster.example")
    visitor.fill_code("000000")
    return visitor


@scene
def totp_exhausted(visits: Visits, visitor: Visitor) -> Visitor:
    _second_step(visits, visitor, "Lotse: nora@muster.example")
    while visitor.page.locator("input[name=code]").count():
        visitor.fill_code("000000")
    return visitor


@scene
def choose_account(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.customer, visits.house.regular())
    visitor.come_from_client(prompt="select_account")
    return visitor


@scene
def choose_organization(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.regular(companies=(MUSTER, BEISPIEL)))
    return visitor


@scene
def login_at_a_foreign_portal(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from_a_stranger()
    return visitor


@scene
def consent(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from_a_stranger(claims='{"userinfo":{"birthdate":null}}')
    visitor.fill(visits.house.newcomer())
    return visitor


@scene
def consent_unanswered(visits: Visits, visitor: Visitor) -> Visitor:
    consent(visits, visitor)
    for field in ("scope.email", "scope.offline_access"):
        visitor.page.locator(f'input[name="{field}"]').check()
    visitor.page.locator("main input[name=csrf_token]").first.evaluate("field => field.value = 'old'")
    visitor.press()
    return visitor


@scene
def consent_at_the_operators_own(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.customer, visits.house.regular())
    visitor.come_from_client(prompt="consent", scope="openid profile email organization offline_access")
    return visitor


@scene
def access_pending(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.of_the_cast("emil"))
    return visitor


@scene
def access_blocked(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.of_the_cast("dora"))
    return visitor


@scene
def access_no_organization(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.regular(companies=()))
    return visitor


@scene
def access_another_organization(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from_client(organization="K-404")
    visitor.fill(visits.house.of_the_cast("ben"))
    return visitor


@scene
def device(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/device")
    return visitor


@scene
def device_filled(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(visits.house.device()["verification_uri_complete"])
    return visitor


@scene
def device_unknown_code(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.connect_a_device("BCDF-GHJK")
    return visitor


@scene
def device_login(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.connect_a_device(visits.house.device()["user_code"])
    return visitor


@scene
def device_question(visits: Visits, visitor: Visitor) -> Visitor:
    device_login(visits, visitor)
    visitor.fill(visits.house.regular())
    return visitor


@scene
def device_question_of_others(visits: Visits, visitor: Visitor) -> Visitor:
    visits.house.has_client(FOREIGN_DEVICE)
    visitor.see_logos()
    codes = visits.house.device(FOREIGN_DEVICE["client_id"], FOREIGN_DEVICE["scope"])
    visitor.connect_a_device(codes["user_code"])
    visitor.fill(visits.house.regular())
    return visitor


@scene
def device_connected(visits: Visits, visitor: Visitor) -> Visitor:
    device_question(visits, visitor)
    visitor.press()
    return visitor


@scene
def device_refused(visits: Visits, visitor: Visitor) -> Visitor:
    device_question(visits, visitor)
    with visitor.page.expect_navigation():
        visitor.page.locator("button[value=deny]").click()
    return visitor


@scene
def device_out_of_reach(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.connect_a_device(visits.house.strict_device()["user_code"])
    visitor.fill(visits.house.regular())
    return visitor


@scene
def logout(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.customer, visits.house.regular())
    visitor.come_from(visits.house.support)
    visitor.page.goto(f"{visits.house.issuer}/logout?client_id=customer-portal")
    return visitor


@scene
def logout_without_portal(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.customer, visits.house.regular())
    visitor.come_from(visits.house.support)
    visitor.page.goto(f"{visits.house.issuer}/logout")
    return visitor


@scene
def logged_out(visits: Visits, visitor: Visitor) -> Visitor:
    logout_without_portal(visits, visitor)
    visitor.press()
    return visitor


@scene
def logged_out_with_frames(visits: Visits, visitor: Visitor) -> Visitor:
    visits.house.has_framed_client()
    visitor.sign_in(visits.house.customer, visits.house.regular())
    visitor.context.route(
        f"{FRAMED}/**", lambda route: route.fulfill(body="<title>x</title>", content_type="text/html")
    )
    visitor.visit_framed()
    visitor.page.goto(f"{visits.house.issuer}/logout")
    visitor.press()
    return visitor


@scene
def form_post(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.customer, visits.house.regular())
    # no content: the browser stays where it is
    visitor.page.route(f"{CALLBACK}*", lambda route: route.fulfill(status=204))
    visitor.page.goto(visits.house.authorize(response_mode="form_post"), wait_until="commit")
    visitor.page.wait_for_selector("form[data-answer]", state="attached")
    return visitor


@scene
def leading_on(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.route(f"{CALLBACK}*", lambda route: route.fulfill(status=204))
    visitor.page.goto(visits.house.authorize())
    visitor.page.locator("button[form=cancel]").click()
    return visitor


@scene
def flow_expired(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visits.house.expire(visitor.flow_id)
    visitor.fill(visits.house.regular())
    return visitor


@scene
def flow_unknown(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/login?flow={'A' * 43}")
    return visitor


@scene
def portal_mistake(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(
        visits.house.authorize("customer-portal", redirect_uri="https://elsewhere.example/callback")
    )
    visitor.page.locator("main summary").click()
    return visitor


@scene
def portal_unknown(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(visits.house.authorize("nobody"))
    return visitor


@scene
def not_found(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/nowhere")
    return visitor


@scene
def wrong_method(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/choose-account/other")
    return visitor


@scene
def form_too_old(visits: Visits, visitor: Visitor) -> Visitor:
    logout_without_portal(visits, visitor)
    visitor.page.locator("main input[name=csrf_token]").first.evaluate("field => field.value = 'old'")
    visitor.press()
    return visitor


@scene
def style_guide(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/dev/ui")
    return visitor


@scene
def outbox(visits: Visits, visitor: Visitor) -> Visitor:
    link = f"{visits.house.issuer}/register/code/" + "0123456789" * 6
    visits.house.post(mails.VerifyAddress(code="482913", link=link), "nora@muster.example")
    visits.house.send("sms", "+493415550100", text="482913 ist Ihr Code.", code="482913")
    visitor.page.goto(f"{visits.house.issuer}/dev/outbox")
    for summary in visitor.page.locator("main summary").all()[:3]:
        summary.click()
    return visitor


@scene
def mail(visits: Visits, visitor: Visitor) -> Visitor:
    visits.house.post(
        mails.ResetPassword(link=f"{visits.house.issuer}/password/reset"),
        "otto@muster.example",
        locale=visitor.page.evaluate("navigator.language")[:2],
    )
    visitor.page.goto(f"{visits.house.issuer}/dev/outbox")
    visitor.page.locator("a[href^='/dev/outbox/']").first.click()
    visitor.page.wait_for_url("**/dev/outbox/*")
    return visitor
