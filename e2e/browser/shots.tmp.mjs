import { barriers, startBrowser, startStack } from "./stack.mjs";
import { mkdirSync } from "node:fs";
mkdirSync("/tmp/shots", { recursive: true });
const stack = await startStack("classic");
const b = await startBrowser();
b.context.setDefaultTimeout(8000);
const page = await b.context.newPage();
async function shots(name) {
  const found = await barriers(page);
  console.log(name, JSON.stringify(found));
  for (const [size, width, height] of [["phone", 360, 740], ["desktop", 1280, 800]]) for (const colorScheme of ["light", "dark"]) {
    await page.setViewportSize({ width, height }); await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(250);
    await page.screenshot({ path: `/tmp/shots/${name}-${size}-${colorScheme}.png`, fullPage: true });
  }
  await page.emulateMedia({ colorScheme: null });
}
async function control(key, f) { const c = await b.context.newPage(); await c.goto(`${stack[key]}/control`); await f(c); await c.close(); }
async function connect(key, account) {
  await page.goto(`${stack.product}/${key}/connect`).catch(() => {});
  if (!page.url().startsWith(stack[key])) { await page.goto(`${stack.product}/${key}`); await page.locator(`a[href="/${key}/connect"]`).click(); }
  await page.locator(`input[name=account][value="${account}"]`).check();
  await page.getByRole("button", { name: /азрешить/ }).click();
  console.log(page.url());
}
try {
  await page.goto(`${stack.product}/connections`);
  await page.getByRole("button", { name: /Ромашка/ }).click();
  await shots("dashboard-none");
  await page.goto(`${stack.product}/evotor`); await shots("evotor-not-connected");
  await page.goto(`${stack.product}/evotor/connect`); 
  await connect("vk", "1000001"); await shots("dashboard-one-missing");
  await connect("evotor", "2000001"); await shots("dashboard-both");
  await page.goto(`${stack.product}/evotor`); await shots("evotor-connected");
  await control("evotor", async (c) => { await c.getByRole("button", { name: "Удалить приложение" }).first().click(); await c.getByRole("button", { name: "Запустить" }).click(); await c.locator("#sweep").waitFor(); });
  await page.goto(`${stack.product}/connections`); await shots("dashboard-one-broken");
  await page.goto(`${stack.product}/evotor`); await shots("evotor-broken");
  await page.goto(`${stack.product}/evotor?error=access_denied`); await shots("evotor-refused");
  await connect("evotor", "2000004"); await shots("dashboard-hostile");
  await page.goto(`${stack.product}/evotor`); await shots("evotor-hostile");
  await control("evotor", async (c) => { await c.locator('form[action="/control/stores"]').nth(3).locator("input[name=value]").fill("Магазинсоченьдлиннымименембезпробеловкотороенельзяперенестипословамникакимобразомвовсеинигде; Второй"); await c.getByRole("button", { name: "Назвать" }).nth(3).click(); await c.getByRole("button", { name: "Запустить" }).click(); await c.locator("#sweep").waitFor(); });
  await page.goto(`${stack.product}/connections`); await shots("dashboard-long");
  await page.goto(`${stack.product}/evotor`); await shots("evotor-long");
} finally { await b.stop(); await stack.stop(); }
