// Every state of every page, in both languages: on a phone and on a desktop, in light, in dark and in forced
// colours. Each is photographed, for people to look at.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import lighthouse from "lighthouse";
import { barriers, startBrowser, startStack } from "./stack.mjs";

const LANGUAGES = ["ru", "en"];
const HOUR = 60 * 60 * 1000;

describe("states", () => {
  let stack;
  let browser;
  let page;

  before(async () => {
    stack = await startStack("classic");
    browser = await startBrowser();
    page = await browser.context.newPage();
    await page.goto(`${stack.product}/connections`);
    await page.getByRole("button", { name: /Ромашка/ }).click();
  });

  after(async () => {
    await browser?.stop();
    await stack?.stop();
  });

  // Looks at the page as it is, without loading it again: it may tell something once.
  async function look(name, language = "ru") {
    assert.equal(await page.locator("html").getAttribute("lang"), language);
    assert.deepEqual(await barriers(page, `${name}-${language}`), []);
  }

  // Looks at an address in each language.
  async function lookAt(name, path, prepare = async () => {}) {
    for (const language of LANGUAGES) {
      await page.goto(`${stack.product}${path}${path.includes("?") ? "&" : "?"}lang=${language}`);
      await prepare();
      await look(name, language);
    }
    await page.goto(`${stack.product}/connections?lang=ru`);
  }

  async function connect(account) {
    await page.goto(`${stack.product}/vk`);
    await page.locator('a[href="/vk/connect"]').click();
    await page.locator(`input[name=account][value="${account}"]`).check();
    await page.getByRole("button", { name: "Разрешить" }).click();
    assert.equal(page.url(), `${stack.product}/connections`);
  }

  async function breakDown(fault) {
    await page.goto(`${stack.vk}/control`);
    await page.getByLabel(/^Состояние/).selectOption(fault);
    await page.locator("form", { has: page.getByLabel(/^Состояние/) }).getByRole("button").click();
  }

  // A call of the table's API; the embedded one asks nobody who they are.
  async function table(operation, request) {
    const answer = await fetch(stack.aws, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `DynamoDB_20120810.${operation}`,
        "x-amz-date": "20261126T000000Z",
        authorization: "AWS4-HMAC-SHA256 Credential=local/20261126/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
      },
      body: JSON.stringify(request),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  }

  // Sets an attribute of VK's connection.
  async function set(attribute, value) {
    const { TableNames } = await table("ListTables", {});
    const connections = TableNames.find((name) => /connections/i.test(name));
    const { Items } = await table("Scan", { TableName: connections });
    const { user_id, provider } = Items.find((row) => row.provider.S === "vk");
    await table("UpdateItem", {
      TableName: connections,
      Key: { user_id, provider },
      UpdateExpression: "SET #attribute = :value",
      ExpressionAttributeNames: { "#attribute": attribute },
      ExpressionAttributeValues: { ":value": { S: value } },
    });
  }

  const inHours = (hours) => new Date(Date.now() + hours * HOUR).toISOString().replace(/\.\d+Z/, "Z");

  test("nothing connected", async () => {
    await lookAt("dashboard-nothing-connected", "/connections");
    await lookAt("vk-not-connected", "/vk");
    await lookAt("evotor-not-connected", "/evotor");
  });

  test("why connecting failed", async () => {
    await lookAt("vk-error-denied", "/vk?error=access_denied");
    await lookAt("vk-error-with-help", "/vk?error=permission_missing");
    await lookAt("evotor-error-with-help", "/evotor?error=provider_error");
  });

  test("connected", async () => {
    await connect("1000001");
    await look("dashboard-just-connected");
    await lookAt("dashboard-connected", "/connections");
    await lookAt("vk-connected", "/vk");
    await lookAt("vk-connected-with-error", "/vk?error=access_denied");
    await lookAt("vk-disconnecting", "/vk", () => page.locator("[popovertarget]").first().click());
  });

  test("another account in its place", async () => {
    await connect("1000002");
    await look("dashboard-just-switched");
  });

  test("not checked lately, and at its end soon", async () => {
    await breakDown("down");
    await set("connected_at", inHours(-24 * 60));
    await set("last_checked_at", inHours(-3));
    await lookAt("dashboard-unverified", "/connections");
    await lookAt("vk-unverified", "/vk");
    await set("last_checked_at", inHours(0));
    await set("token_expires_at", inHours(5));
    await lookAt("dashboard-expiring", "/connections");
    await lookAt("vk-expiring", "/vk");
  });

  test("broken", async () => {
    await set("token_expires_at", inHours(-5));
    await lookAt("dashboard-broken", "/connections");
    await lookAt("vk-broken", "/vk");
    await lookAt("vk-broken-with-error", "/vk?error=provider_unavailable");
    await breakDown("none");
  });

  test("a name of five hundred letters that reads from right to left", async () => {
    await connect("1000001");
    await set("first_name", "שלום\u202e".repeat(100));
    await set("last_name", "я".repeat(500));
    await lookAt("dashboard-long-name", "/connections");
    await lookAt("vk-long-name", "/vk");
  });

  test("everything connected, told in English", async () => {
    await page.goto(`${stack.product}/evotor?lang=en`);
    await page.locator('a[href="/evotor/connect"]').click();
    await page.locator('input[name=account][value="2000001"]').check();
    await page.getByRole("button", { name: "Установить и разрешить" }).click();
    await look("dashboard-everything-connected-just-now", "en");
    await connect("1000001");
    await lookAt("dashboard-everything-connected", "/connections");
    await lookAt("evotor-connected", "/evotor");
  });

  test("just disconnected", async () => {
    await page.goto(`${stack.product}/vk`);
    await page.getByRole("button", { name: "Отключить аккаунт ВКонтакте" }).click();
    await page.getByRole("button", { name: "Да, отключить" }).click();
    await look("vk-just-disconnected");
  });

  test("text of twice its size on a phone", async () => {
    await page.setViewportSize({ width: 360, height: 700 });
    await page.goto(`${stack.product}/vk`);
    await page.addStyleTag({ content: "html { font-size: 200%; }" }).catch(() => {});
    await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${wide} px wide`);
    await page.setViewportSize({ width: 1000, height: 760 });
  });

  test("the journey by keyboard alone", async () => {
    await page.goto(`${stack.product}/connections`);
    const press = async (name) => {
      for (let tries = 0; tries < 20; tries++) {
        await page.keyboard.press("Tab");
        const focused = await page.evaluate(() => document.activeElement.innerText ?? "");
        if (name.test(focused)) return page.keyboard.press("Enter");
      }
      assert.fail(`nothing called ${name} can be reached`);
    };
    await Promise.all([page.waitForURL(/\/vk$/), press(/ВКонтакте/)]);
    await Promise.all([page.waitForURL(/\/authorize/), press(/^Подключить ВКонтакте$/)]);
    await Promise.all([page.waitForURL(/\/connections$/), press(/^Разрешить$/)]);
    await Promise.all([page.waitForURL(/\/vk$/), press(/ВКонтакте/)]);
    await press(/^Отключить аккаунт ВКонтакте$/);
    assert.equal(await page.evaluate(() => document.activeElement.innerText), "Не отключать");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await press(/^Отключить аккаунт ВКонтакте$/);
    await page.keyboard.press("Tab");
    await Promise.all([page.waitForURL(/\/vk$/), page.keyboard.press("Enter")]);
    await page.getByRole("link", { name: "Подключить ВКонтакте" }).waitFor();
  });

  test("the simulators", async () => {
    for (const [name, address] of [
      ["control-vk", `${stack.vk}/control`],
      ["control-evotor", `${stack.evotor}/control`],
      ["consent-vk", `${stack.product}/vk/connect`],
      ["consent-evotor", `${stack.product}/evotor/connect`],
    ]) {
      await page.goto(`${stack.product}/connections`);
      await page.evaluate((address) => (location.href = address), address);
      await page.waitForURL((url) => url.pathname !== "/connections");
      assert.deepEqual(await barriers(page, name), [], name);
    }
  });

  // What of Lighthouse's audits falls short at an address, if anything does.
  async function shortcomings(path) {
    const categories = ["performance", "accessibility", "best-practices"];
    const { lhr } = await lighthouse(`${stack.product}${path}`, {
      port: browser.port,
      logLevel: "error",
      onlyCategories: categories,
      disableStorageReset: true,
    });
    const short = categories.filter((category) => !(lhr.categories[category].score >= 0.99));
    const audits = Object.values(lhr.audits).filter(({ score }) => score !== null && score < 0.9);
    return short.length === 0 ? [] : [path, ...short, ...audits.map(({ id }) => id)];
  }

  test("Lighthouse finds nothing to better", async () => {
    for (const path of ["/connections", "/vk", "/evotor"]) {
      // It measures times too, and a machine may be busy, or show no frame at all.
      let found;
      for (let tries = 0; tries < 3; tries++) {
        found = await shortcomings(path);
        if (found.length === 0) break;
      }
      assert.deepEqual(found, []);
    }
  });

  test("whoever is not signed in", async () => {
    await lookAt("not-found", "/no/such/page");
    await lookAt("bad-request", "/vk?error=1&error=2");
    await page.goto(`${stack.product}/vk`);
    await page.getByRole("button", { name: "Выйти" }).click();
    await look("signed-out");
    for (const language of LANGUAGES) {
      await page.goto(`${stack.product}/login?lang=${language}`);
      await look("signed-out", language);
    }
    for (const language of LANGUAGES) {
      await page.goto(`${stack.product}/login/callback?lang=${language}`);
      await look("sign-in-failed", language);
    }
  });
});
