"""A merchant's journey through a product that runs in Lambda functions, wherever those run."""

import html
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from account import NotConnected

PERSON = "demo|romashka"


class Journey:
    """Walks through the product at an address, with an account of one provider.

    `issuer` is the address of the simulated one, `sweep` invokes the health check and returns its
    summary, `tokens` are a worker's.
    """

    def __init__(self, product, provider, issuer, sweep, tokens):
        self.product = product
        self.provider = provider
        self.issuer = issuer
        self.sweep = sweep
        self.tokens = tokens
        self.browser = requests.Session()
        self.browser.trust_env = False

    def steps(self):
        return [
            self.a_signed_out_person_is_redirected_to_sign_in,
            self.signing_in_leads_back,
            self.connecting_shows_the_account_connected,
            self.a_sweep_finds_the_token_alive,
            self.a_dead_token_is_found_by_the_sweep,
            self.reconnecting_repairs_the_connection,
            self.a_worker_gets_a_token_that_the_provider_answers,
            self.a_worker_that_complains_at_once_gets_the_same_token,
            self.disconnecting_removes_the_connection,
            self.a_worker_is_told_that_nothing_is_connected,
            self.an_unknown_address_has_a_page,
            self.the_style_sheet_is_served,
            self.signing_out_ends_the_session,
        ]

    def walk(self):
        """Takes every step of the journey and returns their number."""
        steps = self.steps()
        for step in steps:
            step()
            print(f"ok - {step.__name__.replace('_', ' ')}", flush=True)
        return len(steps)

    def a_signed_out_person_is_redirected_to_sign_in(self):
        for path in ["/connections", self.page]:
            answer = self.get(path, allow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login"), answer.status_code

    def signing_in_leads_back(self):
        page = self.get(self.page)
        assert page.url.startswith(self.issuer), page.url
        page = self.submit(page, "/authorize", person=PERSON)
        assert page.url == f"{self.product}{self.page}", page.url
        assert "Мария Орлова" in page.text

    def connecting_shows_the_account_connected(self):
        page = self.connect()
        assert page.url == f"{self.product}/connections", page.url
        assert self.provider.name in page.text and "Подключено" in page.text

    def a_sweep_finds_the_token_alive(self):
        summary = self.sweep()
        assert (summary["alive"], summary["finished"]) == (1, True), summary

    def a_dead_token_is_found_by_the_sweep(self):
        self.break_the_connection()
        summary = self.sweep()
        assert summary["broken"] == 1, summary
        assert "Нужно переподключить" in self.get("/connections").text

    def reconnecting_repairs_the_connection(self):
        assert "Подключено" in self.connect().text

    def a_worker_gets_a_token_that_the_provider_answers(self):
        token = self.tokens.get(PERSON, self.provider.key)
        assert self.provider.owner(token.access_token) == token.account_id, "the provider refuses it"
        assert self.tokens.get(PERSON, self.provider.key) is token, "it is not kept"

    def a_worker_that_complains_at_once_gets_the_same_token(self):
        """It was confirmed when the account was connected, and is not asked about again within a minute."""
        token = self.tokens.get(PERSON, self.provider.key)
        assert self.tokens.rejected(token).version == token.version

    def disconnecting_removes_the_connection(self):
        page = self.submit(self.get(self.page), f"{self.page}/disconnect")
        assert page.url == f"{self.product}{self.page}", page.url
        assert f"Подключить {self.provider.title}" in page.text

    def a_worker_is_told_that_nothing_is_connected(self):
        self.tokens.forget(PERSON, self.provider.key)
        try:
            self.tokens.get(PERSON, self.provider.key)
        except NotConnected:
            return
        raise AssertionError("a token was handed out")

    def an_unknown_address_has_a_page(self):
        page = self.get("/no/such/page")
        assert page.status_code == 404 and "Страница не найдена" in page.text, page.status_code

    def the_style_sheet_is_served(self):
        path = re.search(r'href="(/assets/style-[^"]+)"', self.get("/connections").text)[1]
        answer = self.get(path)
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]

    def signing_out_ends_the_session(self):
        page = self.submit(self.get("/connections"), "/logout")
        assert "Вы вышли из EvoSync" in page.text
        answer = self.get("/connections", allow_redirects=False)
        assert answer.headers["location"] == "/login"

    def connect(self):
        consent = self.get(f"{self.page}/connect", headers={"Sec-Fetch-Site": "same-origin"})
        assert consent.url.startswith(self.provider.address), consent.url
        state = parse_qs(urlsplit(consent.url).query)["state"][0]
        assert len(state) == 43, len(state)
        return self.submit(consent, urlsplit(consent.url).path, account=self.provider.account, decision="allow")

    def break_the_connection(self):
        order = {"account": self.provider.account}
        self.browser.post(f"{self.provider.address}/control/{self.provider.breaks}", data=order, timeout=30)

    @property
    def page(self):
        return f"/{self.provider.key}"

    def get(self, path, **options):
        return self.browser.get(urljoin(self.product, path), timeout=60, **options)

    def submit(self, page, action, **fields):
        """Posts a page's form as a browser does: with hidden and checked fields, and the Origin header."""
        form = page.text.split(f'action="{action}"', 1)[1].split("</form>", 1)[0]
        inputs = re.findall(r"<input [^>]*>", form)
        data = {
            re.search(r'name="([^"]*)"', tag)[1]: html.unescape(re.search(r'value="([^"]*)"', tag)[1])
            for tag in inputs
            if 'type="hidden"' in tag or " checked" in tag
        }
        headers = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(page.url)), "Sec-Fetch-Site": "same-origin"}
        return self.browser.post(urljoin(page.url, action), data={**data, **fields}, headers=headers, timeout=60)
