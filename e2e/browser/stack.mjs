// Starts and stops the local stack and a browser.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
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
    const printed = line.match(/^ {2}(product|simulated Evotor|simulated VK|sign-in|AWS endpoint) +(http:\S+)/);
    if (printed) addresses[printed[1]] = new URL(printed[2]).origin;
    if (line.startsWith("ready ")) break;
  }
  if (!addresses.product) throw new Error("the stack did not start");
  const stop = () => new Promise((stopped) => {
    child.once("exit", stopped);
    process.kill(-child.pid, "SIGINT");
  });
  const { "simulated Evotor": evotor, "simulated VK": vk, "sign-in": issuer, "AWS endpoint": aws } = addresses;
  return { product: addresses.product, evotor, vk, issuer, aws, stop };
}

// Starts Chromium with a new profile, for a person who reads Russian; CHROMIUM is the binary's path, if it is not
// Debian's. Its remote debugging answers at `port`.
export async function startBrowser() {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1000, height: 760 },
    locale: "ru-RU",
    args: [
      "--remote-debugging-port=0",
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
  const port = Number(readFileSync(join(profile, "DevToolsActivePort"), "utf8").split("\n")[0]);
  const stop = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, port, stop };
}

// Saves a screenshot of the page.
export async function picture(page, name) {
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

// The ways a page is looked at: on the narrowest phone and on a desktop, in light, in dark, and in colours forced
// by the system.
const widths = { phone: 320, desktop: 1280 };
const schemes = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  forced: { colorScheme: "dark", forcedColors: "active" },
};

// What is wrong with the page for whoever reads it by other means or on a phone: what axe finds, and whether it
// must be scrolled sideways. With a name, each look but the forced colours' is photographed.
export async function barriers(page, name) {
  const found = [];
  const view = page.viewportSize();
  for (const [device, width] of Object.entries(widths)) {
    await page.setViewportSize({ width, height: 700 });
    for (const [scheme, media] of Object.entries(schemes)) {
      // Colours that fade in would be judged half way.
      await page.emulateMedia({ forcedColors: "none", ...media, reducedMotion: "reduce" });
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const { id, nodes } of violations) {
        found.push(`${device}, ${scheme}: ${id}: ${nodes.map((node) => node.html)}`);
      }
      if (name && scheme !== "forced") await picture(page, `${name}-${device}-${scheme}`);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) found.push(`${wide} px wide on ${width}`);
  }
  await page.emulateMedia({ colorScheme: null, forcedColors: null, reducedMotion: null });
  await page.setViewportSize(view);
  return found;
}
