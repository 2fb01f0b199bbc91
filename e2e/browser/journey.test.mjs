// A merchant's whole journey in a real browser: sign in, connect, watch it break, reconnect,
// disconnect, sign out. It is the same under both flows of VK.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { picture as pictureOf, startBrowser, startStack } from "./stack.mjs";

const ACCOUNT = "1000001";

for (const flow of ["classic", "vk_id"]) describe(flow, () => {
  let stack;
  let browser;
  let page;
  const complaints = [];
  const picture = (page, name) => pictureOf(page, `${flow}-${name}`);

  before(async () => {
    stack = await startStack(flow);
    browser = await startBrowser();
    page = await browser.context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
  });

  after(async () => {
    await browser?.stop();
    await stack?.stop();
  });

  const body = () => page.locator("main").innerText();
  const arrivedAt = (path) => assert.equal(page.url(), `${stack.product}${path}`);

  // Opens the control page of the simulated VK in a separate tab.
  async function atControls(press) {
    const controls = await browser.context.newPage();
    await controls.goto(`${stack.vk}/control`);
    await press(controls);
    await picture(controls, "control");
    await controls.close();
  }

  const sweep = () =>
    atControls(async (controls) => {
      await controls.getByRole("button", { name: "Запустить проверку сейчас" }).click();
      await controls.locator("#sweep").waitFor();
    });

  async function allow(account) {
    await page.locator(`input[name=account][value="${account}"]`).check();
    await picture(page, "consent");
    await page.getByRole("button", { name: "Разрешить" }).click();
  }

  test("a person who is not signed in is redirected to sign in and returns to the same page", async () => {
    await page.goto(`${stack.product}/vk`);
    assert.equal(new URL(page.url()).origin, stack.issuer);
    await picture(page, "sign-in");
    await page.getByRole("button", { name: /Ромашка/ }).click();
    arrivedAt("/vk");
    assert.match(await page.locator("header").innerText(), /Мария Орлова, «Ромашка»/);
  });

  test("the page explains why to connect", async () => {
    const text = await body();
    assert.match(text, /Подключите ваш аккаунт ВКонтакте, чтобы система могла автоматически/);
    assert.equal(await page.getByRole("listitem").count(), 3);
    await picture(page, "not-connected");
    await page.getByRole("link", { name: "Вернуться к подключениям" }).click();
    arrivedAt("/connections");
    assert.match(await body(), /ВКонтакте\s+Не подключено/);
    await picture(page, "dashboard-not-connected");
  });

  test("a person who denies access at VK reads that and can retry", async () => {
    await page.getByRole("link", { name: /ВКонтакте/ }).click();
    await page.getByRole("link", { name: "Подключить ВКонтакте" }).click();
    assert.equal(new URL(page.url()).origin, stack.vk);
    await page.getByRole("button", { name: "Отказаться" }).click();
    arrivedAt("/vk?error=access_denied");
    assert.match(await page.getByRole("alert").innerText(), /Вы отказали в доступе/);
    await picture(page, "refused");
  });

  test("a person who allows access sees the account connected", async () => {
    await page.getByRole("link", { name: "Подключить ВКонтакте" }).click();
    await allow(ACCOUNT);
    arrivedAt("/connections");
    assert.match(await body(), /Анна Смирнова/);
    assert.match(await body(), /Подключено/);
    await picture(page, "dashboard-working");
    await page.getByRole("link", { name: /ВКонтакте/ }).click();
    assert.match(await body(), /Подключено/);
    assert.equal(await page.locator("code").innerText(), ACCOUNT);
    await picture(page, "connected");
  });

  test("a token revoked at VK turns red after a sweep", async () => {
    await atControls((controls) =>
      controls.getByRole("button", { name: "Отозвать токены" }).first().click(),
    );
    await page.goto(`${stack.product}/connections`);
    assert.match(await body(), /Подключено/);
    await sweep();
    await page.reload();
    assert.match(await body(), /Нужно переподключить/);
    await picture(page, "dashboard-broken");
    await page.getByRole("link", { name: /ВКонтакте/ }).click();
    assert.match(await body(), /ВКонтакте больше не принимает доступ/);
    await picture(page, "broken");
  });

  test("reconnecting repairs the connection", async () => {
    await page.getByRole("link", { name: "Переподключить" }).click();
    await allow(ACCOUNT);
    arrivedAt("/connections");
    assert.match(await body(), /Подключено/);
    await sweep();
    await page.reload();
    assert.match(await body(), /Подключено/);
  });

  test("disconnecting removes the connection", async () => {
    await page.getByRole("link", { name: /ВКонтакте/ }).click();
    await page.getByRole("button", { name: "Отключить аккаунт ВКонтакте" }).click();
    arrivedAt("/vk");
    assert.match(await body(), /Подключить ВКонтакте/);
  });

  test("every change is announced, and the control page shows the events", async () => {
    const expected = /Disconnected.*\n.*Reconnected.*\n.*Broken.*\n.*Connected/;
    await atControls(async (controls) => {
      const events = () => controls.locator("#events").innerText();
      // Changes are delivered every second.
      for (let tries = 0; tries < 20 && !expected.test(await events()); tries++) {
        await controls.waitForTimeout(500);
        await controls.reload();
      }
      assert.match(await events(), expected);
    });
  });

  test("hostile names are shown as text", async () => {
    await page.getByRole("link", { name: "Подключить ВКонтакте" }).click();
    await allow("1000003");
    assert.match(await body(), /Ольга <b>/);
    await picture(page, "hostile-name");
  });

  test("a form posted after the session has ended leads to the login page, and sign-in leads back", async () => {
    await page.goto(`${stack.product}/vk`);
    await browser.context.clearCookies({ name: "session" });
    await page.getByRole("button", { name: "Отключить аккаунт ВКонтакте" }).click();
    arrivedAt("/login");
    assert.match(await body(), /Сеанс завершён/);
    await picture(page, "session-ended");
    await page.getByRole("link", { name: "Войти" }).click();
    await page.getByRole("button", { name: /Ромашка/ }).click();
    arrivedAt("/vk");
    assert.match(await body(), /Ольга/);
  });

  test("signing out shows a confirmation, and the next page asks to sign in", async () => {
    await page.getByRole("button", { name: "Выйти" }).click();
    arrivedAt("/login");
    assert.match(await body(), /Вы вышли из системы/);
    await picture(page, "signed-out");
    await page.goto(`${stack.product}/connections`);
    assert.equal(new URL(page.url()).origin, stack.issuer);
  });

  test("an unknown address has a page of its own", async () => {
    const answer = await page.goto(`${stack.product}/no/such/page`);
    assert.equal(answer.status(), 404);
    assert.match(await body(), /Страница не найдена/);
    await picture(page, "not-found");
  });

  test("the browser logged no errors", () => {
    // Only the 404 above is expected.
    assert.deepEqual(complaints.filter((text) => !text.includes("404")), []);
  });
});
