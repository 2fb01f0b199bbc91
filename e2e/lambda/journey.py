"""A merchant's journey through a product that runs in Lambda functions, wherever those run."""

import html
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from account import NotConnected

ACCOUNT = "1000001"
PERSON = "demo|romashka"


class Journey:
    """Walks through the product at an address.

    `vk` and `issuer` are the addresses of the simulators, `sweep` invokes the health check and
    returns its summary, `tokens` are a worker's.
    """

    def __init__(self, product, vk, issuer, sweep, tokens):
        self.product = product
        self.vk = vk
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
            self.a_revoked_token_is_found_by_the_sweep,
            self.reconnecting_repairs_the_connection,
            self.a_worker_gets_a_token_that_vk_answers,
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
        for path in ["/connections", "/vk"]:
            answer = self.get(path, allow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login"), answer.status_code

    def signing_in_leads_back(self):
        page = self.get("/vk")
        assert page.url.startswith(self.issuer), page.url
        page = self.submit(page, "/authorize", person=PERSON)
        assert page.url == f"{self.product}/vk", page.url
        assert "Мария Орлова" in page.text

    def connecting_shows_the_account_connected(self):
        page = self.connect()
        assert page.url == f"{self.product}/connections", page.url
        assert "Анна Смирнова" in page.text and "Подключено" in page.text

    def a_sweep_finds_the_token_alive(self):
        summary = self.sweep()
        assert (summary["alive"], summary["finished"]) == (1, True), summary

    def a_revoked_token_is_found_by_the_sweep(self):
        self.browser.post(f"{self.vk}/control/revoke", data={"account": ACCOUNT}, timeout=30)
        summary = self.sweep()
        assert summary["broken"] == 1, summary
        assert "Нужно переподключить" in self.get("/connections").text

    def reconnecting_repairs_the_connection(self):
        assert "Подключено" in self.connect().text

    def a_worker_gets_a_token_that_vk_answers(self):
        token = self.tokens.get(PERSON, "vk")
        bearer = {"Authorization": f"Bearer {token.access_token}"}
        answer = requests.get(f"{self.vk}/method/users.get?v=5.131", headers=bearer, timeout=30).json()
        assert [str(user["id"]) for user in answer["response"]] == [ACCOUNT] == [token.account_id], "VK refuses it"
        assert self.tokens.get(PERSON, "vk") is token, "it is not kept"

    def a_worker_that_complains_at_once_gets_the_same_token(self):
        """VK has confirmed it when the account was connected, and is not asked again within a minute."""
        token = self.tokens.get(PERSON, "vk")
        assert self.tokens.rejected(token).version == token.version

    def disconnecting_removes_the_connection(self):
        page = self.submit(self.get("/vk"), "/vk/disconnect")
        assert page.url == f"{self.product}/vk", page.url
        assert "Подключить ВКонтакте" in page.text

    def a_worker_is_told_that_nothing_is_connected(self):
        self.tokens.forget(PERSON, "vk")
        try:
            self.tokens.get(PERSON, "vk")
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
        assert "Вы вышли из системы" in page.text
        answer = self.get("/connections", allow_redirects=False)
        assert answer.headers["location"] == "/login"

    def connect(self):
        consent = self.get("/vk/connect", headers={"Sec-Fetch-Site": "same-origin"})
        assert consent.url.startswith(self.vk), consent.url
        state = parse_qs(urlsplit(consent.url).query)["state"][0]
        assert len(state) == 43, len(state)
        return self.submit(consent, urlsplit(consent.url).path, account=ACCOUNT, decision="allow")

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
