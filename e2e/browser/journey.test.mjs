// A merchant's whole journey in a real browser: sign in, connect, watch it break, reconnect,
// disconnect, sign out. It is the same at every provider, under both flows of VK, and whether or not
// Evotor sends `state` back.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { barriers, picture as pictureOf, startBrowser, startStack } from "./stack.mjs";

const VK = {
  key: "vk",
  title: "ВКонтакте",
  invitation: /Подключите ваш аккаунт ВКонтакте, чтобы система могла автоматически/,
  allow: "Разрешить",
  account: "1000001",
  name: /Анна Смирнова/,
  id: "1000001",
  hostile: "1000003",
  hostileName: /Ольга <b>/,
  breakIt: "Отозвать токены",
  why: /Доступ к аккаунту отозван/,
  // What the dashboard says that goods wait for. Evotor is not connected meanwhile.
  missing: "Товары не синхронизируются: подключите Эвотор и ВКонтакте.",
  working: "Товары не синхронизируются: подключите Эвотор.",
  broken: "Товары не синхронизируются: подключите Эвотор и переподключите ВКонтакте.",
};

const EVOTOR = {
  key: "evotor",
  title: "Эвотор",
  invitation: /Подключите ваш аккаунт Эвотор, чтобы система могла получать каталог товаров/,
  allow: "Установить и разрешить",
  account: "2000001",
  name: /2 магазина: Лавка на Мира, Склад/,
  id: null,
  hostile: "2000004",
  hostileName: /3 магазина: <b>Лавка<\/b> & "Ко"/,
  breakIt: "Удалить приложение",
  why: /Доступ к магазинам отозван/,
  // VK is connected meanwhile.
  missing: "Товары не синхронизируются: подключите Эвотор.",
  working: null,
  broken: "Товары не синхронизируются: переподключите Эвотор.",
};

// Evotor is not documented to send `state` back.
for (const [flow, echo] of [["classic", false], ["vk_id", true]]) describe(flow, () => {
  let stack;
  let browser;
  let page;
  let callback;
  const complaints = [];
  const picture = (page, name) => pictureOf(page, `${flow}-${name}`);

  before(async () => {
    stack = await startStack(flow);
    browser = await startBrowser();
    page = await browser.context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (/\/(vk|evotor)\/callback\?/.test(request.url())) callback = new URL(request.url());
    });
  });

  after(async () => {
    await browser?.stop();
    await stack?.stop();
  });

  const body = () => page.locator("main").innerText();
  const arrivedAt = (path) => assert.equal(page.url(), `${stack.product}${path}`);

  // What the dashboard says that goods wait for.
  async function waitsFor(words) {
    const warnings = page.locator("main > .alert-warning");
    assert.deepEqual(await warnings.allInnerTexts(), words === null ? [] : [words]);
  }

  const accessible = async () => assert.deepEqual(await barriers(page), []);

  // Opens the control page of a simulated provider in a separate tab.
  async function atControls(provider, press) {
    const controls = await browser.context.newPage();
    await controls.goto(`${stack[provider.key]}/control`);
    await press(controls);
    await picture(controls, `control-${provider.key}`);
    await controls.close();
  }

  const sweep = (provider) =>
    atControls(provider, async (controls) => {
      await controls.getByRole("button", { name: "Запустить проверку сейчас" }).click();
      await controls.locator("#sweep").waitFor();
    });

  async function allow(provider, account) {
    await page.locator(`input[name=account][value="${account}"]`).check();
    await picture(page, `consent-${provider.key}`);
    await page.getByRole("button", { name: provider.allow }).click();
  }

  test("a person who is not signed in is redirected to sign in and returns to the same page", async () => {
    await page.goto(`${stack.product}/vk`);
    assert.equal(new URL(page.url()).origin, stack.issuer);
    await picture(page, "sign-in");
    await page.getByRole("button", { name: /Ромашка/ }).click();
    arrivedAt("/vk");
    assert.match(await page.locator("header").innerText(), /Мария Орлова, «Ромашка»/);
  });

  for (const provider of [VK, EVOTOR]) describe(provider.title, () => {
    const { key, title, account } = provider;
    const link = () => page.getByRole("link", { name: new RegExp(title) });
    const stateComesBack = provider === VK || echo;

    before(async () => {
      if (provider === EVOTOR && echo) await atControls(EVOTOR, async (controls) => {
        await controls.locator("form", { hasText: "возвращать приложению state" }).getByRole("button").click();
      });
    });

    test("the page explains why to connect", async () => {
      await page.goto(`${stack.product}/${key}`);
      const text = await body();
      assert.match(text, provider.invitation);
      assert.equal(await page.getByRole("listitem").count(), 3);
      await picture(page, `not-connected-${key}`);
      await accessible();
      await page.getByRole("link", { name: "Вернуться к подключениям" }).click();
      arrivedAt("/connections");
      assert.match(await body(), new RegExp(`${title}\\s+Не подключено`));
      await waitsFor(provider.missing);
      await picture(page, `dashboard-not-connected-${key}`);
      await accessible();
    });

    test("a person who denies access at the provider reads that and can retry", async () => {
      await link().click();
      await page.getByRole("link", { name: `Подключить ${title}` }).click();
      assert.equal(new URL(page.url()).origin, stack[key]);
      await page.getByRole("button", { name: "Отказаться" }).click();
      arrivedAt(`/${key}?error=access_denied`);
      assert.equal(callback.searchParams.has("state"), stateComesBack);
      assert.match(await page.getByRole("alert").innerText(), /Доступ не разрешён/);
      await picture(page, `refused-${key}`);
      await accessible();
    });

    test("a person who allows access sees the account connected", async () => {
      await page.getByRole("link", { name: `Подключить ${title}` }).click();
      await allow(provider, account);
      arrivedAt("/connections");
      assert.equal(callback.searchParams.has("state"), stateComesBack);
      assert.match(await body(), provider.name);
      assert.match(await body(), /Подключено/);
      await waitsFor(provider.working);
      await picture(page, `dashboard-working-${key}`);
      await accessible();
      await link().click();
      assert.match(await body(), /Подключено/);
      assert.match(await body(), provider.name);
      assert.deepEqual(await page.locator("code").allInnerTexts(), provider.id === null ? [] : [provider.id]);
      await picture(page, `connected-${key}`);
      await accessible();
    });

    test("access that has ended at the provider turns red after a sweep", async () => {
      await atControls(provider, (controls) =>
        controls.getByRole("button", { name: provider.breakIt }).first().click(),
      );
      await page.goto(`${stack.product}/connections`);
      assert.match(await body(), /Подключено/);
      await waitsFor(provider.working);
      await sweep(provider);
      await page.reload();
      assert.match(await body(), /Нужно переподключить/);
      await waitsFor(provider.broken);
      await picture(page, `dashboard-broken-${key}`);
      await accessible();
      await link().click();
      assert.match(await body(), provider.why);
      await picture(page, `broken-${key}`);
      await accessible();
    });

    test("reconnecting repairs the connection", async () => {
      await page.getByRole("link", { name: "Переподключить" }).click();
      await allow(provider, account);
      arrivedAt("/connections");
      assert.match(await body(), /Подключено/);
      await sweep(provider);
      await page.reload();
      assert.match(await body(), /Подключено/);
      assert.doesNotMatch(await body(), /Нужно переподключить/);
      await waitsFor(provider.working);
    });

    test("disconnecting asks once and then removes the connection", async () => {
      await link().click();
      await page.getByRole("button", { name: `Отключить аккаунт ${title}` }).click();
      const question = page.getByRole("dialog", { name: `Отключить аккаунт ${title}?` });
      await question.waitFor();
      assert.match(await question.innerText(), /Товары в группе останутся, но перестанут обновляться/);
      await picture(page, `disconnecting-${key}`);
      await accessible();
      await question.getByRole("button", { name: "Не отключать" }).click();
      await question.waitFor({ state: "hidden" });
      await page.getByRole("button", { name: `Отключить аккаунт ${title}` }).click();
      await question.getByRole("button", { name: "Да, отключить" }).click();
      arrivedAt(`/${key}`);
      assert.match(await body(), new RegExp(`Подключить ${title}`));
    });

    test("every change is announced, and the control page shows the events", async () => {
      const lines = ["Disconnected", "Reconnected", "Broken", "Connected"].map((name) => `${name}.*, ${key}`);
      const expected = new RegExp(lines.join(".*\\n.*"));
      await atControls(provider, async (controls) => {
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
      await page.getByRole("link", { name: `Подключить ${title}` }).click();
      await allow(provider, provider.hostile);
      arrivedAt("/connections");
      assert.match(await body(), provider.hostileName);
      await picture(page, `hostile-name-${key}`);
      await accessible();
    });
  });

  test("a form posted after the session has ended leads to the login page, and sign-in leads back", async () => {
    await page.goto(`${stack.product}/vk`);
    await browser.context.clearCookies({ name: "session" });
    await page.getByRole("button", { name: "Отключить аккаунт ВКонтакте" }).click();
    await page.getByRole("button", { name: "Да, отключить" }).click();
    arrivedAt("/login");
    assert.match(await body(), /Сеанс закончился/);
    await picture(page, "session-ended");
    await page.getByRole("link", { name: "Войти" }).click();
    await page.getByRole("button", { name: /Ромашка/ }).click();
    arrivedAt("/vk");
    assert.match(await body(), /Ольга/);
  });

  test("signing out shows a confirmation, and the next page asks to sign in", async () => {
    await page.getByRole("button", { name: "Выйти" }).click();
    arrivedAt("/login");
    assert.match(await body(), /Вы вышли из EvoSync/);
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
