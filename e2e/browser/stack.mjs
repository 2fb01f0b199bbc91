// Starts and stops the local stack and a browser.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import axe from "axe-core";
import { chromium } from "playwright-core";

const root = join(import.meta.dirname, "..", "..");
const screenshots = join(root, "screenshots");

// Starts `cargo run -- --port 0 --memory --vk-flow <flow>` and resolves with the addresses it prints. Its
// log is written beside the screenshots.
export async function startStack(flow) {
  mkdirSync(screenshots, { recursive: true });
  const child = spawn("cargo", ["run", "--quiet", "--", "--port", "0", "--memory", "--vk-flow", flow], {
    cwd: root,
    stdio: ["ignore", "pipe", openSync(join(screenshots, `stack-${flow}.log`), "w")],
    detached: true,
  });
  const addresses = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const printed = line.match(/^ {2}(product|simulated Evotor|simulated VK|sign-in) +(http:\S+)/);
    if (printed) addresses[printed[1]] = new URL(printed[2]).origin;
    if (line.startsWith("ready ")) break;
  }
  if (!addresses.product) throw new Error("the stack did not start");
  const stop = () => new Promise((stopped) => {
    child.once("exit", stopped);
    process.kill(-child.pid, "SIGINT");
  });
  const { "simulated Evotor": evotor, "simulated VK": vk, "sign-in": issuer } = addresses;
  return { product: addresses.product, evotor, vk, issuer, stop };
}

// Starts Chromium with a new profile; CHROMIUM is the binary's path, if it is not Debian's.
export async function startBrowser() {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1000, height: 760 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  context.setDefaultTimeout(10_000);
  const stop = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, stop };
}

// Saves a screenshot of the page.
export async function picture(page, name) {
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

// What is wrong with the page for whoever reads it by other means or on a phone, in light and in dark: what axe
// finds, and whether it is wider than a narrow phone.
export async function barriers(page) {
  const found = [];
  const view = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 740 });
  for (const colorScheme of ["light", "dark"]) {
    // Colours that fade in would be judged half way.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    for (const { id, nodes } of violations) found.push(`${colorScheme}: ${id}: ${nodes.map((node) => node.html)}`);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 360) found.push(`${colorScheme}: ${width} px wide on a phone of 360`);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(view);
  return found;
}
